"""A snapshot's vectors, less the dead, and a tail."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.faiss_cpu import FaissIndex
from index.live.changes import Changes
from index.live.part import LivePart, Places
from index.snapshot import LoadedPart
from tests.index.published import DIM, unit_vectors

VECTORS = unit_vectors(400)
ROWS = 60

row = st.integers(0, ROWS + 20)
history = st.lists(st.tuples(st.sets(row, max_size=5), st.sets(row, max_size=4)), max_size=6)


def loaded(rowids: np.ndarray) -> LoadedPart:
    """The first vectors, under those row ids."""
    return LoadedPart(FaissIndex.build([VECTORS[: len(rowids)]], len(rowids), DIM), rowids, {})


def changes(gone: list[int], written: list[int], vectors: np.ndarray) -> Changes:
    """Of a dataset."""
    return Changes(np.array(gone, np.int64), np.array(written, np.int64), vectors)


@pytest.mark.parametrize("order", ["rising", "mixed"])
@given(rows=st.lists(st.integers(-3, 200), max_size=20, unique=True))
def test_places_are_where_the_rows_are(order: str, rows: list[int]) -> None:
    """Every row that is there has the position at which its id stands, whatever the order of storage."""
    rowids = np.arange(0, 150, 3)
    rowids = rowids if order == "rising" else np.random.default_rng(0).permutation(rowids)

    places = Places(rowids).of(np.array(rows, np.int64))

    assert [each for each in rows if each in set(rowids.tolist())] == rowids[places].tolist()


@pytest.mark.parametrize("spread", [1, 3, 40])
@pytest.mark.parametrize("order", ["rising", "mixed"])
@given(rows=st.sets(st.integers(-3, 6_100)), share=st.sampled_from([0.0, 0.01, 0.5, 1.0]))
def test_a_mask_is_where_the_rows_are(order: str, spread: int, rows: set[int], share: float) -> None:
    """Few rows or many, ids near each other or far apart, in any order of storage: the positions of those, and no others."""
    rowids = 7 + spread * np.arange(150)
    rowids = rowids if order == "rising" else np.random.default_rng(0).permutation(rowids)
    drawn = rowids[np.random.default_rng(len(rows)).random(150) < share]
    among = np.union1d(np.array(sorted(rows), np.int64), drawn)

    mask = Places(rowids).mask(among)

    assert np.isin(rowids, among).tolist() == mask.tolist()
    assert [] == Places(rowids[:0]).mask(among).tolist()


def test_what_a_filter_allows_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches with one filter's rows look up their positions once; a write makes another part, which does so again."""
    looked = list[int]()
    mask = Places.mask
    monkeypatch.setattr(Places, "mask", lambda places, rows: looked.append(len(rows)) or mask(places, rows))
    part, among = LivePart.of(loaded(np.arange(ROWS)), DIM), np.arange(0, ROWS, 2)

    first = [part.search(VECTORS[:3], 5, among=among)[1].tolist() for _ in range(3)]
    later = part.after(changes([0], [], VECTORS[:0]))
    found = [later.search(VECTORS[:3], 5, among=among)[1].tolist() for _ in range(3)]

    assert [30, 30] == looked
    assert first == 3 * [first[0]]
    assert found == 3 * [found[0]]
    assert 0 == first[0][0][0]
    assert not any(0 in rows for rows in found[0])


def test_filters_that_look_alike_are_told_apart() -> None:
    """Arrays of the same length that come and go, with the same places in memory, are never taken for each other."""
    part = LivePart.of(loaded(np.arange(ROWS)), DIM)

    for start in range(40):
        _, rows = part.search(VECTORS[:1], 3, among=np.arange(start, start + 3))
        assert {start, start + 1, start + 2} == set(rows[0].tolist())


def test_threads_that_ask_at_once_get_one_answer() -> None:
    """Whoever comes first, all find the same among the same rows."""
    part, among = LivePart.of(loaded(np.arange(ROWS)), DIM).after(changes([3], [8], VECTORS[:1])), np.arange(5, 40)
    alone = part.search(VECTORS[:4], 5, among=among.copy())[1].tolist()

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda _: part.search(VECTORS[:4], 5, among=among)[1].tolist(), range(32)))

    assert together == 32 * [alone]


@given(history=history, k=st.sampled_from([1, 5, 100]), allowed=st.none() | st.sets(row, max_size=30))
def test_a_part_finds_what_a_scan_of_the_rows_finds(
    history: list[tuple[set[int], set[int]]], k: int, allowed: set[int] | None
) -> None:
    """After any history of writes and deletions, with any filter: the best of the living rows, best first."""
    part = LivePart.of(loaded(np.arange(ROWS)), DIM)
    model = dict(enumerate(VECTORS[:ROWS]))
    taken = ROWS
    for written, deleted in history:
        gone, new = sorted(deleted - written), sorted(written)
        vectors = VECTORS[taken : taken + len(new)]
        taken += len(new)
        part = part.after(changes(gone, new, vectors))
        model = {each: vector for each, vector in model.items() if each not in gone} | dict(
            zip(new, vectors, strict=True)
        )
    query = VECTORS[-1:]
    among = None if allowed is None else np.array(sorted(allowed), np.int64)

    scores, rows = part.search(query, k, among=among)

    assert [each in model for each in range(ROWS + 25)] == part.there(np.arange(ROWS + 25)).tolist()
    exact = sorted(
        ((-float(vector @ query[0]), each) for each, vector in model.items() if allowed is None or each in allowed)
    )
    assert len(model) == part.rows
    assert [each for _, each in exact[:k]] == [each for each in rows[0].tolist() if each >= 0]
    np.testing.assert_allclose([-score for score, _ in exact[:k]], scores[0][rows[0] >= 0], atol=1e-5)


def test_what_there_is_no_index_of_is_found_in_the_tail() -> None:
    """A kind that the snapshot had no vectors of, captions of a collection without, is searched all the same."""
    part = LivePart.of(None, DIM).after(changes([], [4], VECTORS[:1]))

    assert 1 == part.rows
    assert [[4]] == part.search(VECTORS[:1], 3)[1].tolist()


def test_stored_vectors_are_scaled_to_unit_norm() -> None:
    """Half precision leaves norms a thousandth off; scores of the tail are cosines like those of the snapshot."""
    part = LivePart.of(None, DIM).after(changes([], [4], 1.01 * VECTORS[:1]))

    assert abs(1 - part.search(VECTORS[:1], 1)[0][0, 0]) < 1e-6


def test_the_dead_are_counted() -> None:
    """What died in the snapshot costs room until it is published anew, and is told."""
    part = LivePart.of(loaded(np.arange(ROWS)), DIM).after(changes([1, 2], [3, 500], VECTORS[:2]))

    assert (3, 2, ROWS - 1) == (part.dead, part.tail.entries, part.rows)


def test_positions_are_of_what_is_alive_in_the_snapshot() -> None:
    """Rows that died, rows of the tail and rows that never were have none."""
    part = LivePart.of(loaded(np.arange(10, 15)), DIM)

    after = part.after(changes([11], [13, 20], VECTORS[5:7]))

    assert {10: 0, 11: 1, 13: 3} == part.positions([13, 10, 11, 20])
    assert {10: 0, 14: 4} == after.positions([14, 13, 11, 10, 20, 99])
    assert {} == after.positions([])


@given(
    copies=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    tail=st.integers(0, 6),
    k=st.integers(1, 30),
    deeper=st.integers(0, 200),
    shuffled=st.booleans(),
)
def test_who_looks_deeper_finds_the_same_first(
    copies: list[int], tail: int, k: int, deeper: int, shuffled: bool
) -> None:
    """Of pictures that are there many times, in the snapshot and behind it: the first k are the first k of more, in one order."""
    vectors = np.repeat(VECTORS[: len(copies)], copies, axis=0)
    rowids = np.random.default_rng(0).permutation(len(vectors)) if shuffled else np.arange(len(vectors))
    index = FaissIndex.build([vectors], len(vectors), DIM)
    part = LivePart.of(LoadedPart(index, rowids, {}), DIM)
    fresh = np.arange(len(vectors), len(vectors) + tail)
    part = part.after(Changes(fresh[:0], fresh, vectors[:1].repeat(tail, axis=0)))

    few, many = (part.search(VECTORS[:2], depth) for depth in (k, k + deeper))

    width = few[1].shape[1]
    assert min(k, part.rows) == width
    assert many[1][:, :width].tolist() == few[1].tolist()
    best = part.search(VECTORS[:2], part.rows)
    assert best[1][:, :width].tolist() == few[1].tolist()
