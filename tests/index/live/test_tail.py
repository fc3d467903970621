"""The log of vectors that were written since a snapshot."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.live import tail as module
from index.live.tail import Tail, within
from index.records import packed
from index.schema import Record
from tests.index.published import DIM, unit_vectors

VECTORS = unit_vectors(600)
NONE = np.zeros(0, np.int64)

steps = st.lists(
    st.tuples(
        st.lists(st.integers(0, 9), unique=True, max_size=4), st.lists(st.integers(0, 9), unique=True, max_size=3)
    ),
    max_size=8,
)


def as_rows(rows: Sequence[int]) -> np.ndarray:
    """Row ids as the code has them."""
    return np.array(rows, np.int64)


def found(tail: Tail, query: np.ndarray, k: int, among: np.ndarray | None = None) -> dict[int, float]:
    """Scores by row id."""
    scores, rows = tail.search(query[None], k, among)
    return dict(zip(rows[0].tolist(), scores[0].tolist(), strict=True))


def test_an_empty_tail_finds_nothing() -> None:
    """Nothing written, nothing found, whatever is asked."""
    tail = Tail.empty(DIM)

    assert 0 == len(tail) == tail.entries
    assert (3, 0) == tail.search(VECTORS[:3], 5)[1].shape


@given(steps)
def test_a_tail_is_a_dictionary_of_vectors(history: list[tuple[list[int], list[int]]]) -> None:
    """After any history of writes and deletions the tail holds what a dictionary would, and finds each row's last vector."""
    tail, model, taken = Tail.empty(DIM), dict[int, np.ndarray](), 0
    for written, deleted in history:
        gone = [row for row in deleted if row not in written]
        vectors = VECTORS[taken : taken + len(written)]
        taken += len(written)
        tail = tail.changed(as_rows(gone), as_rows(written), vectors)
        model = {row: vector for row, vector in model.items() if row not in gone} | dict(
            zip(written, vectors, strict=True)
        )

    assert [row in model for row in range(12)] == tail.there(np.arange(12)).tolist()
    scores = found(tail, VECTORS[-1], 50)

    assert len(model) == len(tail)
    assert model.keys() == scores.keys()
    for row, vector in model.items():
        assert abs(float(vector @ VECTORS[-1]) - scores[row]) < 1e-5


def record(row: int, step: int) -> Record:
    """Of a row as one step wrote it."""
    return Record(f"item-{row}", "", "", step, 0)


@given(steps)
def test_each_view_tells_the_records_that_it_had(history: list[tuple[list[int], list[int]]]) -> None:
    """The newest view knows the record of each of its rows; an older one knows no later record, and none of a row it lacks."""
    tail, model = Tail.empty(DIM), dict[int, Record]()
    views = list[tuple[Tail, dict[int, Record]]]()
    for step, (written, deleted) in enumerate(history):
        gone = [row for row in deleted if row not in written]
        now = {row: record(row, step) for row in written}
        tail = tail.changed(as_rows(gone), as_rows(written), VECTORS[: len(written)], [packed(now[row]) for row in now])
        model = {row: each for row, each in model.items() if row not in gone} | now
        views.append((tail, model))

    assert model == tail.records(range(11))
    for view, had in views:
        assert view.records(range(11)).items() <= had.items()


def test_records_that_are_not_told_are_not_known() -> None:
    """What was read, and not told by its writer, has no record; nor has what was known before under that row id."""
    first = Tail.empty(DIM).changed(NONE, as_rows([1, 2]), VECTORS[:2], [packed(record(row, 0)) for row in (1, 2)])
    second = first.changed(NONE, as_rows([2, 3]), VECTORS[2:4])

    assert {1: record(1, 0)} == second.records([1, 2, 3])


def test_records_take_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it none is kept, and vectors are found as ever."""
    size = len(packed(record(1, 0)))
    monkeypatch.setattr(module, "_RECORD_BYTES", 2 * size)
    tail = Tail.empty(DIM)
    for row in (1, 2, 3, 4):
        tail = tail.changed(NONE, as_rows([row]), VECTORS[row : row + 1], [packed(record(row, 0))])

    assert [1, 2] == sorted(tail.records([1, 2, 3, 4]))
    assert {1, 2, 3, 4} == found(tail, VECTORS[0], 10).keys()


def test_a_view_never_changes() -> None:
    """What is written later is not in an earlier view, also when the log was moved to a larger place in between."""
    first = Tail.empty(DIM).changed(NONE, as_rows([1, 2]), VECTORS[:2])
    before = found(first, VECTORS[0], 10)
    second = first.changed(as_rows([1]), np.arange(10, 510), VECTORS[:500])

    assert before == found(first, VECTORS[0], 10)
    assert 501 == len(second)


def test_only_the_newest_view_grows() -> None:
    """Two histories of one log cannot be: the second is refused."""
    first = Tail.empty(DIM)
    first.changed(NONE, as_rows([1]), VECTORS[:1])

    with pytest.raises(ValueError, match="newest"):
        first.changed(NONE, as_rows([2]), VECTORS[1:2])


def test_the_best_are_found() -> None:
    """With fewer wanted than there are, they are the best by inner product."""
    tail = Tail.empty(DIM).changed(NONE, np.arange(300), VECTORS[:300])

    _, rows = tail.search(VECTORS[500:503], 7)

    exact = np.argsort(-(VECTORS[500:503] @ VECTORS[:300].T), axis=1)[:, :7]
    assert [set(each) for each in exact.tolist()] == [set(each) for each in rows.tolist()]


@given(st.sets(st.integers(0, 30), max_size=12))
def test_only_what_is_allowed_is_found(allowed: set[int]) -> None:
    """*among* bounds what is found, and everything in it that is there is found."""
    tail = Tail.empty(DIM).changed(NONE, np.arange(0, 30, 2), VECTORS[:15])

    scores = found(tail, VECTORS[0], 30, as_rows(sorted(allowed)))

    assert {row for row in allowed if row < 30 and row % 2 == 0} == scores.keys()


@given(st.lists(st.integers(-5, 40), max_size=20), st.sets(st.integers(-5, 40), max_size=20))
def test_within_is_membership(rows: list[int], among: set[int]) -> None:
    """`within` says of each row what `in` would."""
    assert [row in among for row in rows] == within(as_rows(rows), as_rows(sorted(among))).tolist()
