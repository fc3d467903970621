"""From a collection's vectors to index files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import build as module
from index.build import QUERIES, build_parts, sample
from index.errors import PlanImpossible
from index.faiss_cpu import FaissIndex
from index.kinds.spec import Kind
from index.plan import Budget
from index.recall import Batches, Queries, Truth, truths
from tests.index.published import filled, unit_vectors
from tests.index.support import empty_collection


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(1, 30))
def test_a_sample_is_spread_evenly(sizes: list[int], size: int) -> None:
    """A sample has at most the wanted size, at least a third of it where there is enough, first vector first."""
    rows = np.ones((sum(sizes), 1), np.float32)
    batches = np.split(rows, np.cumsum(sizes)[:-1]) if sizes else []

    found = sample([(np.arange(len(batch)), batch) for batch in batches], size)

    assert found.seen == len(rows)
    assert len(found.positions) == len(found.vectors) <= size
    assert len(found.positions) >= min(len(rows), size // 3)
    if len(rows):
        assert 0 == found.positions[0]
        steps = np.diff(found.positions)
        assert (steps == steps[0]).all() if len(steps) else True


def test_parts_describe_what_was_built(tmp_path: Path) -> None:
    """Rows, kind and recall of images and captions are told, and the files are where the parts say."""
    collection = filled(tmp_path, unit_vectors(30), captions=2)

    images, texts = build_parts(collection, tmp_path, target_recall=0.95)

    assert texts is not None
    assert (30, 60) == (images.rows, texts.rows)
    for part in (images, texts):
        assert ("Flat", 1.0) == (part.factory, part.recall_at_10)
        assert (tmp_path / part.index_file).stat().st_size > 0
        assert (part.rows,) == np.load(tmp_path / part.rowids_file).shape


def test_without_captions_there_is_one_part(tmp_path: Path) -> None:
    """A collection without captions has no index over them."""
    assert build_parts(filled(tmp_path, unit_vectors(5), captions=0), tmp_path, target_recall=0.95)[1] is None


@pytest.mark.parametrize("captions", [0, 1])
def test_an_empty_collection_is_built(captions: int, tmp_path: Path) -> None:
    """No rows give an index of no rows."""
    del captions
    images, texts = build_parts(empty_collection(tmp_path), tmp_path, target_recall=0.95)

    assert 0 == images.rows
    assert texts is None


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 9))
def test_a_sample_knows_its_places(rows: int, size: int, parts: int) -> None:
    """Each sampled vector is the one at its position, scaled to norm 1."""
    vectors = unit_vectors(rows)

    found = sample([(np.arange(len(each)), 3 * each) for each in np.array_split(vectors, parts)], size)

    assert np.allclose(vectors[found.positions], found.vectors, atol=1e-6)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 40))
def test_what_is_held_out_is_in_no_other_sample(rows: int, size: int, held: int) -> None:
    """A sample and what is held out of it are apart, and together the whole; unless too little would be left."""
    vectors = unit_vectors(rows)
    found = sample([(np.arange(rows), vectors)], size)
    held_out = found.thinned(held)

    others = found.without(held_out)

    if 2 * len(held_out.positions) > len(found.positions):
        assert others is found
        return
    assert not {*others.positions.tolist()} & {*held_out.positions.tolist()}
    assert {*found.positions.tolist()} == {*others.positions.tolist()} | {*held_out.positions.tolist()}
    assert np.allclose(vectors[others.positions], others.vectors, atol=1e-6)


def test_an_index_does_not_learn_from_what_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors that are asked to tune it are not among those that its lists are learnt from; they are found all the same."""
    asked: list[np.ndarray] = []
    learnt: list[np.ndarray] = []

    def measured(batches: Batches, queries: Mapping[str, Queries]) -> dict[str, Truth]:
        asked.append(queries["images"].vectors)
        return truths(batches, queries)

    def built(*arguments: Any, training: np.ndarray, **options: Any) -> FaissIndex:  # noqa: ANN401 # passed on
        learnt.append(training)
        return build(*arguments, training=training, **options)

    build = FaissIndex.build
    monkeypatch.setattr(module, "truths", measured)
    monkeypatch.setattr(FaissIndex, "build", built)
    collection = filled(tmp_path, unit_vectors(900, 16), captions=0)

    part, _ = build_parts(collection, tmp_path, target_recall=0.9, budget=Budget(kind="ivf-rabitq"))

    assert not {each.tobytes() for each in asked[0]} & {each.tobytes() for each in learnt[0]}
    # spread evenly: every fifth of 900
    assert (180, 720) == (len(asked[0]), len(learnt[0]))
    assert 900 == part.rows


@pytest.mark.parametrize("kind", ["hnsw-sq8", "ivf-rabitq", "ivf-pq"])
def test_the_kind_that_is_asked_for_is_built_and_tuned(kind: Kind, tmp_path: Path) -> None:
    """Images and captions get it, with their vectors beside, a curve over both kinds of query, and what was planned."""
    collection = filled(tmp_path, unit_vectors(800, 16), captions=1)

    images, texts = build_parts(collection, tmp_path, target_recall=0.9, budget=Budget(kind=kind))

    assert texts is not None
    for part, own in ((images, "images"), (texts, "texts")):
        assert kind == part.kind
        assert [f"{kind} was asked for"] == part.why
        assert part.recall_at_10 >= 0.9
        assert {"images", "texts"} == set(part.curve[0].recall)
        assert part.parameters in [point.parameters for point in part.curve]
        assert (tmp_path / f"{own}.vectors.f16").stat().st_size == 800 * 16 * 2 == part.mapped_bytes


def test_memory_is_shared(tmp_path: Path) -> None:
    """Images and captions together keep within what is given for both; where it is just enough both have what they would have alone."""
    collection = filled(tmp_path, unit_vectors(500, 16), captions=2)
    given_bytes = 1_500 * (8 + 4 * 16)

    images, texts = build_parts(collection, tmp_path, target_recall=0.9, budget=Budget(memory=given_bytes))

    assert texts is not None
    assert given_bytes == images.planned_bytes + texts.planned_bytes
    with pytest.raises(PlanImpossible, match=r"500 of images .* 1,000 of texts"):
        build_parts(collection, tmp_path, target_recall=0.9, budget=Budget(memory=100))


def test_texts_that_are_given_are_asked_too(tmp_path: Path) -> None:
    """Of images and captions alike, as a kind of query of its own: the one that finds least decides over them too."""
    collection = filled(tmp_path, unit_vectors(800, 16), captions=1)

    parts = build_parts(
        collection,
        tmp_path,
        target_recall=0.9,
        budget=Budget(kind="ivf-rabitq"),
        queries=unit_vectors(40, 16, seed=5),
    )

    for part in parts:
        assert part is not None
        assert {"images", "texts", QUERIES} == set(part.curve[0].recall)
