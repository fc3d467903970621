"""Finding duplicates."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from index.duplicates import find as module
from index.duplicates.find import Duplicates, Options, find_duplicates
from index.duplicates.threshold import altered
from index.kinds.spec import Kind
from index.live.part import LivePart
from index.searcher import Searcher
from models.bundle import Bundle
from tests.index.duplicates.made import photograph, pictured, searcher, turned
from tests.index.published import entries, unit_vectors
from tests.support.images import encoded


def _named(searcher: Searcher, found: Duplicates) -> set[frozenset[str]]:
    """Groups as sets of ids."""
    return {
        frozenset(
            record.id for record in searcher.view.collection.records_at(found.found.rows[each].tolist()) if record
        )
        for each in found.found.groups()
    }


def _items(*numbers: int) -> frozenset[str]:
    return frozenset(f"item-{number:03d}" for number in numbers)


def test_near_vectors_are_groups(tmp_path: Path) -> None:
    """What is within the threshold is a group, exactly those, with its cosines to the representative."""
    made = searcher(tmp_path, turned([0, 3, 30, 33, 90, 180]))

    found = find_duplicates(made, Options(float(np.cos(np.radians(5)))))

    assert {_items(0, 1), _items(2, 3)} == _named(made, found)
    own = found.found.rows == found.found.representatives
    np.testing.assert_allclose(found.found.cosines[own], 1, atol=1e-3)
    np.testing.assert_allclose(found.found.cosines[~own], np.cos(np.radians(3)), atol=1e-3)
    np.testing.assert_allclose(list(found.least.values()), np.cos(np.radians(3)), atol=1e-3)
    assert 6 == found.items


def test_copies_are_one_group_at_any_threshold(tmp_path: Path) -> None:
    """The same bytes are duplicates, whatever their vectors; what resembles one copy belongs to all."""
    made = searcher(tmp_path, turned([0, 0, 90, 2]), ["a", "a", "b", "c"])

    exact = find_duplicates(made, Options(1.0))
    near = find_duplicates(made, Options(0.999))

    assert {_items(0, 1)} == _named(made, exact)
    assert [False, True] == exact.found.copies.tolist()
    assert {_items(0, 1, 3)} == _named(made, near)


@pytest.mark.parametrize("chains", [False, True])
def test_a_chain_is_one_group_only_where_wanted(tmp_path: Path, chains: bool) -> None:
    """Steps that are each near, and lead far, are cut unless chains are allowed; then the least cosine tells."""
    made = searcher(tmp_path, turned([0, 10, 20, 30, 40]))

    found = find_duplicates(made, Options(float(np.cos(np.radians(12))), chains=chains))

    sizes = sorted(len(each) for each in found.found.groups())
    assert [5] == sizes if chains else max(sizes) <= 3
    widest = min(found.least.values())
    assert (widest == pytest.approx(np.cos(np.radians(40)), abs=1e-2)) == chains


def test_nothing_alike_is_nothing_found(tmp_path: Path) -> None:
    """Strangers are in no group, and there are none."""
    found = find_duplicates(searcher(tmp_path, turned([0, 60, 120])), Options(0.9))

    assert [] == found.found.groups()
    assert not found.least


def test_a_crowd_is_found_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group larger than the neighbours that are first looked at is one group still, and what is near it is found."""
    monkeypatch.setattr(module, "_NEIGHBOURS", 2)
    rng = np.random.default_rng(0)
    crowd = np.repeat(unit_vectors(1, 16), 40, axis=0) + rng.normal(scale=0.002, size=(40, 16)).astype(np.float32)
    made = searcher(tmp_path, np.concatenate([crowd, unit_vectors(20, 16, seed=1)]))

    found = find_duplicates(made, Options(0.99))

    assert {_items(*range(40))} == _named(made, found)


def test_groups_do_not_depend_on_how_much_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets taken a few at a time give the groups that all at once give."""
    rng = np.random.default_rng(3)
    vectors = np.repeat(unit_vectors(30, 16), 3, axis=0) + rng.normal(scale=0.02, size=(90, 16)).astype(np.float32)
    made = searcher(tmp_path, vectors)
    at_once = find_duplicates(made, Options(0.98))
    monkeypatch.setattr(module, "_TOGETHER", 4)

    in_parts = find_duplicates(made, Options(0.98))

    assert _named(made, at_once) == _named(made, in_parts)
    assert at_once.least == pytest.approx(in_parts.least)
    assert len(at_once.found.groups()) > 20


def test_rows_that_were_written_since_publishing_are_found_too(tmp_path: Path) -> None:
    """A duplicate in the tail is a duplicate."""
    first = searcher(tmp_path, turned([0, 60]))
    first.view.collection.latest().add(entries(turned([1]), captions=0, first=7))
    made = Searcher.open(tmp_path, "test")

    found = find_duplicates(made, Options(0.99))

    assert [{"item-000", "item-00007"}] == [set(each) for each in _named(made, found)]


def test_altered_copies_are_found_by_their_look(tmp_path: Path, tiny_bundle: Path) -> None:
    """With hashes a recompressed and a halved copy are found where the vectors alone find none, and no stranger is."""
    files: dict[str, bytes] = {}
    for seed in range(6):
        image = photograph(seed)
        copies = list(altered(image))[:2] if seed < 3 else []
        files |= {f"{seed}.png": encoded(image), **{f"{seed}-{at}.jpg": data for at, (_, data) in enumerate(copies)}}
    made = pictured(tmp_path, Bundle.open(tiny_bundle), files)

    by_vector = find_duplicates(made, Options(1.0))
    by_look = find_duplicates(made, Options(1.0, bits=4))

    expected = {frozenset({f"{seed}.png", f"{seed}-0.jpg", f"{seed}-1.jpg"}) for seed in range(3)}
    assert not _named(made, by_vector) & expected
    assert expected == _named(made, by_look)
    assert 0 == by_look.unreadable


def _by_comparing_all(vectors: np.ndarray, threshold: float) -> set[frozenset[str]]:
    """Sets that hang together, from the whole matrix of cosines."""
    near = vectors @ vectors.T >= threshold
    _, labels = connected_components(near, directed=False)
    sets = (np.flatnonzero(labels == label).tolist() for label in np.unique(labels))
    return {_items(*each) for each in sets if len(each) > 1}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["flat", "hnsw-fp16", "ivf-rabitq"])
def test_sets_are_those_of_comparing_each_with_each(tmp_path: Path, seed: int, kind: Kind) -> None:
    """Whether the index is exact, a graph or lists of coarse codes, chains are the connected components of the whole matrix."""
    rng = np.random.default_rng(seed)
    spread = rng.normal(scale=0.06, size=(120, 12))
    vectors = np.repeat(unit_vectors(40, 12, seed), 3, axis=0) + spread
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = searcher(tmp_path, vectors, kind=kind)
    assert (made.manifest.images.factory == "Flat") == (kind == "flat")

    found = find_duplicates(made, Options(0.97, chains=True))

    assert _by_comparing_all(vectors, 0.97) == _named(made, found)


def test_a_lower_threshold_leaves_no_found_pair_out(tmp_path: Path) -> None:
    """Chains only grow as the threshold falls: what was together stays together."""
    rng = np.random.default_rng(5)
    vectors = unit_vectors(80, 6, 5) + rng.normal(scale=0.01, size=(80, 6)).astype(np.float32)
    made = searcher(tmp_path, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    strict = _named(made, find_duplicates(made, Options(0.97, chains=True)))

    loose = _named(made, find_duplicates(made, Options(0.9, chains=True)))

    assert strict
    assert all(any(group <= larger for larger in loose) for group in strict)


def test_the_index_only_proposes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index whose scores are a little too high makes no duplicates: the stored vectors decide."""
    made = searcher(tmp_path, turned([0, 20, 60, 62]))
    exact = LivePart.search

    def coarse(part: LivePart, queries: np.ndarray, k: int, **rest: object) -> tuple[np.ndarray, np.ndarray]:
        scores, rows = exact(part, queries, k, **rest)  # pyright: ignore[reportArgumentType]
        return np.minimum(1, scores + 0.05), rows

    monkeypatch.setattr(LivePart, "search", coarse)

    assert {_items(2, 3)} == _named(made, find_duplicates(made, Options(0.98)))


def test_vectors_of_nothing_are_like_nothing(tmp_path: Path) -> None:
    """A vector of zeros, which has no direction, is no duplicate of another one."""
    made = searcher(tmp_path, np.concatenate([np.zeros((2, 4), np.float32), turned([0, 1])]))

    assert {_items(2, 3)} == _named(made, find_duplicates(made, Options(0.9)))


def test_progress_ends_where_it_should(tmp_path: Path) -> None:
    """Each kind of work is told to its end, never beyond, and never backwards."""
    told: dict[str, list[tuple[int, int]]] = {}

    find_duplicates(
        searcher(tmp_path, turned([0, 1, 50])), Options(0.9), lambda what, *at: told.setdefault(what, []).append(at)
    )

    assert {"comparing vectors", "grouping"} < told.keys()
    for what in ("comparing vectors", "grouping"):
        done, totals = [at[0] for at in told[what]], {at[1] for at in told[what]}
        assert done == sorted(done)
        assert {done[-1]} == totals


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_items(tmp_path: Path, rows: int) -> None:
    """A collection of one item has no duplicates; of none there is no snapshot to look in, or nothing in it."""
    if rows == 0:
        made = searcher(tmp_path, turned([0, 90]))
        made.view.collection.latest().delete(["item-000", "item-001"])
        made = Searcher.open(tmp_path, "test")
    else:
        made = searcher(tmp_path, turned([0]))

    found = find_duplicates(made, Options(0.5))

    assert rows == found.items
    assert [] == found.found.groups()


def test_what_was_deleted_is_no_duplicate(tmp_path: Path) -> None:
    """An item that is gone since the snapshot was made is in no group, though the index still has it."""
    first = searcher(tmp_path, turned([0, 1, 2]))
    first.view.collection.latest().delete(["item-001"])
    made = Searcher.open(tmp_path, "test")

    assert {_items(0, 2)} == _named(made, find_duplicates(made, Options(0.99)))
