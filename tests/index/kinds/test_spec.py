"""What is to be built."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from index.allowed import Allowed
from index.faiss_cpu import FaissIndex
from index.kinds.spec import KINDS, Kind, Spec, factory_of
from tests.index.published import unit_vectors

SPECS = [
    Spec("flat"),
    Spec("hnsw-fp16", links=8),
    Spec("hnsw-sq8", links=8),
    Spec("ivf-rabitq", lists=8),
    Spec("ivf-rabitq", lists=8, bits=2),
    Spec("ivf-pq", lists=8),
]


def test_every_kind_is_tried() -> None:
    """No kind is without a test."""
    assert {*KINDS} == {spec.kind for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.bits}")
def test_an_index_says_what_it_was_built_of(spec: Spec) -> None:
    """The factory string of what was built is the one that it was built of."""
    index = spec.make(16)
    index.train(unit_vectors(500, 16))

    assert spec.factory(16) == factory_of(index)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.bits}")
def test_a_kind_that_must_learn_says_from_how_much(spec: Spec) -> None:
    """Exactly the kinds that are not trained when they are made want rows to learn from, within a bound of bytes."""
    assert spec.make(16).is_trained == (spec.training_rows(16) == 0)
    assert Spec(spec.kind, lists=2**20).training_rows(4096) * 4096 * 4 <= 1 << 29


@pytest.mark.parametrize("dim", [8, 9, 10, 7])
def test_any_dimension_has_a_product_quantizer(dim: int) -> None:
    """Sub-vectors divide the dimension, whatever it is."""
    index = Spec("ivf-pq", lists=2).make(dim)
    index.train(unit_vectors(200, dim))

    assert dim % faiss.downcast_index(index).pq.M == 0


def test_many_centroids_are_found_by_a_graph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where lists are many, the nearest are found by a walk over their centroids; the answers are nearly the same."""
    monkeypatch.setattr("index.kinds.spec.GRAPH_OF_CENTROIDS_FROM", 64)
    vectors = unit_vectors(4_000, 16)
    index = FaissIndex.build([vectors], 4_000, 16, Spec("ivf-rabitq", lists=64, bits=2), vectors=tmp_path / "v")
    few = Allowed(np.arange(4_000) % 3 == 0)

    _, found = index.search(vectors[:50], 1, {"nprobe": 8})
    _, among = index.search(vectors[:51:3], 1, {"nprobe": 8}, allowed=few)

    assert "IVF64_HNSW32,RaBitQ2,Refine(SQfp16)" == index.factory
    assert np.mean(found[:, 0] == np.arange(50)) > 0.95
    assert np.mean(among[:, 0] == np.arange(0, 51, 3)) > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_one_way_of_looking(kind: Kind) -> None:
    """A kind walks, or scans lists, or compares with all: never two of them."""
    spec = Spec(kind)

    assert spec.is_graph + spec.is_inverted + (kind == "flat") == 1
