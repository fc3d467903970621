"""The laws of `index.parts`: what every part keeps, whatever engine is behind it.

A test class per engine takes over `ReadLaws`, or `WriteLaws` where rows can be written one by one, and says in the
fixture `make` how a part of given rows is made. See `test_contract.py`.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from index.parts import VectorPart, WritablePart
from tests.index.parts.exact import ExactPart
from tests.index.published import unit_vectors

DIM = 16
COUNT = 120
VECTORS = unit_vectors(COUNT, DIM, seed=1)
QUERIES = unit_vectors(12, DIM, seed=2)
# neither in order nor without gaps: positions would give other answers
ROWS = np.random.default_rng(3).permutation(np.arange(COUNT) * 3 + 7).astype(np.int64)

Make = Callable[[np.ndarray, np.ndarray], VectorPart]
MakeWritable = Callable[[np.ndarray, np.ndarray], WritablePart]


def some(size: int, seed: int = 0) -> np.ndarray:
    """So many of the rows, sorted."""
    return np.sort(np.random.default_rng(seed).choice(ROWS, size, replace=False))


def assert_ordered(scores: np.ndarray, rows: np.ndarray) -> None:
    """Scores fall, of equals the smaller row is first, no row comes twice, and what there is not stands at the end."""
    for values, found in zip(scores, rows, strict=True):
        there = int((found >= 0).sum())
        assert (found[:there] >= 0).all()
        assert len(set(found[:there].tolist())) == there
        steps = zip(values[:there], values[1:there], found, found[1:there], strict=False)
        assert all(first > second or (first == second and a < b) for first, second, a, b in steps)


def assert_same(part: VectorPart, oracle: VectorPart, k: int, among: np.ndarray | None = None) -> None:
    """The part finds what the oracle finds."""
    scores, rows = part.search(QUERIES, k, among=among)
    expected_scores, expected = oracle.search(QUERIES, k, among=among)
    assert (np.float32, np.int64) == (scores.dtype, rows.dtype)
    assert [[row for row in each if row >= 0] for each in expected.tolist()] == [
        [row for row in each if row >= 0] for each in rows.tolist()
    ]
    there = rows >= 0
    np.testing.assert_allclose(expected_scores[expected >= 0], scores[there], atol=2e-5)


class ReadLaws:
    """Of every part."""

    @pytest.fixture
    def make(self) -> Make:
        """Makes a part of rows (N,) with vectors (N, d)."""
        raise NotImplementedError

    @pytest.fixture
    def part(self, make: Make) -> VectorPart:
        """A part of known rows."""
        return make(ROWS, VECTORS)

    @pytest.fixture
    def oracle(self) -> ExactPart:
        """The same rows, compared one by one."""
        return ExactPart(ROWS, VECTORS)

    def test_a_part_knows_its_size(self, part: VectorPart) -> None:
        """N rows of d dimensions."""
        assert (COUNT, DIM) == (part.rows, part.dim)

    def test_every_row_finds_itself(self, part: VectorPart) -> None:
        """The best row for a stored vector is its own, with the cosine 1."""
        scores, rows = part.search(VECTORS, 1)

        assert ROWS.tolist() == rows[:, 0].tolist()
        np.testing.assert_allclose(1, scores[:, 0], atol=2e-5)

    @pytest.mark.parametrize("k", [1, 10, COUNT])
    def test_a_part_finds_what_a_scan_finds(self, part: VectorPart, oracle: ExactPart, k: int) -> None:
        """The k best rows, best first."""
        assert_same(part, oracle, k)
        assert_ordered(*part.search(QUERIES, k))

    def test_no_more_is_found_than_there_is(self, part: VectorPart) -> None:
        """A search for more than N finds each row once, and nothing else."""
        scores, rows = part.search(QUERIES, COUNT + 50)

        assert [COUNT] * len(QUERIES) == (rows >= 0).sum(axis=1).tolist()
        assert rows.shape[1] <= COUNT + 50
        assert_ordered(scores, rows)

    def test_of_equals_the_smaller_row_is_first(self, make: Make) -> None:
        """Rows of one vector come in the order of their ids."""
        rows = np.array([50, 3, 900, 41, 7], np.int64)
        vectors = np.repeat(VECTORS[:1], 5, axis=0)
        vectors[1] = VECTORS[1]
        part = make(rows, vectors)

        _, found = part.search(VECTORS[:1], 4)

        assert [7, 41, 50, 900] == found[0].tolist()

    @pytest.mark.parametrize("size", [1, 5, 60, COUNT])
    def test_only_allowed_rows_are_found(self, part: VectorPart, oracle: ExactPart, size: int) -> None:
        """With *among*, the best of those rows, and no other."""
        assert_same(part, oracle, 10, some(size))

    def test_among_none_there_is_nothing(self, part: VectorPart) -> None:
        """Where no row may be found, none is."""
        _, rows = part.search(QUERIES, 5, among=np.zeros(0, np.int64))

        assert len(QUERIES) == len(rows)
        assert not (rows >= 0).any()

    def test_among_all_is_everything(self, part: VectorPart) -> None:
        """Allowing every row is allowing all."""
        expected_scores, expected = part.search(QUERIES, 10)
        scores, rows = part.search(QUERIES, 10, among=np.sort(ROWS))

        assert expected.tolist() == rows.tolist()
        np.testing.assert_allclose(expected_scores, scores, atol=2e-5)

    def test_allowed_rows_that_are_not_there_are_passed_over(self, part: VectorPart, oracle: ExactPart) -> None:
        """Ids of no row among the allowed change nothing."""
        among = np.unique(np.concatenate([some(9), np.arange(0, 40), np.array([10**12])])).astype(np.int64)

        assert_same(part, oracle, 20, among)

    def test_many_queries_are_answered_as_each_alone(self, part: VectorPart) -> None:
        """The answer to a query does not depend on those beside it."""
        _, together = part.search(QUERIES, 10)

        assert [part.search(each[None], 10)[1][0].tolist() for each in QUERIES] == together.tolist()

    def test_no_query_has_no_answer(self, part: VectorPart) -> None:
        """Nothing is asked, nothing is answered."""
        scores, rows = part.search(QUERIES[:0], 5)

        assert (0, 0) == (len(scores), len(rows))

    def test_threads_do_not_disturb_each_other(self, part: VectorPart) -> None:
        """Searches at one moment, of different depth and filters, answer as they do alone."""
        asked = [(place % 7 + 1, some(30, place) if place % 2 else None) for place in range(24)]
        expected = [part.search(QUERIES, k, among=among)[1].tolist() for k, among in asked]

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda each: part.search(QUERIES, each[0], among=each[1])[1].tolist(), asked))

        assert expected == found

    def test_an_empty_part_finds_nothing(self, make: Make) -> None:
        """Without rows there is nothing to find."""
        part = make(ROWS[:0], VECTORS[:0])

        assert 0 == part.rows
        assert not (part.search(QUERIES, 3)[1] >= 0).any()


class WriteLaws(ReadLaws):
    """Of a part whose rows can be written one by one."""

    @pytest.fixture
    def make(self) -> MakeWritable:
        """Makes a part of rows (N,) with vectors (N, d)."""
        raise NotImplementedError

    def test_what_was_written_is_found_at_once(self, make: MakeWritable) -> None:
        """A new row is found by the next search, and counted."""
        part = make(ROWS[:-1], VECTORS[:-1])

        part.upsert(ROWS[-1:], VECTORS[-1:])

        assert ROWS[-1] == part.search(VECTORS[-1:], 1)[1][0, 0]
        assert COUNT == part.rows

    def test_a_row_that_is_there_is_replaced(self, make: MakeWritable) -> None:
        """A row is found by its new vector and not by its old one, and is there once."""
        part = make(ROWS, VECTORS)
        other = -VECTORS[:1]

        part.upsert(ROWS[:1], other)

        scores, rows = part.search(np.concatenate([other, VECTORS[:1]]), COUNT)
        assert ROWS[0] == rows[0, 0]
        assert ROWS[0] == rows[1, COUNT - 1]
        np.testing.assert_allclose(-1, scores[1, COUNT - 1], atol=2e-5)
        assert COUNT == part.rows

    def test_what_was_deleted_is_not_found(self, make: MakeWritable) -> None:
        """Deleted rows are gone from the next search, with a filter that allows them too; others stay."""
        part = make(ROWS, VECTORS)
        gone = ROWS[:40]

        part.delete(gone)

        assert COUNT - 40 == part.rows
        assert_same(part, ExactPart(ROWS[40:], VECTORS[40:]), COUNT)
        assert_same(part, ExactPart(ROWS[40:], VECTORS[40:]), COUNT, np.sort(ROWS))

    def test_deleting_what_is_not_there_does_nothing(self, make: MakeWritable, oracle: ExactPart) -> None:
        """Unknown rows are passed over."""
        part = make(ROWS, VECTORS)

        part.delete(np.array([2, 10**9], np.int64))
        part.delete(ROWS[:0])

        assert_same(part, oracle, COUNT)

    def test_a_deleted_row_may_come_again(self, make: MakeWritable) -> None:
        """A row written after its deletion is there, as it was written last."""
        part = make(ROWS, VECTORS)
        part.delete(ROWS[:1])

        part.upsert(ROWS[:1], VECTORS[1:2])

        assert {ROWS[0], ROWS[1]} == set(part.search(VECTORS[1:2], 2)[1][0].tolist())
        assert COUNT == part.rows

    @pytest.mark.parametrize("seed", [0, 1])
    def test_any_history_ends_in_the_rows_that_it_leaves(self, make: MakeWritable, seed: int) -> None:
        """After any sequence of writes and deletions a part finds what a scan of the living rows finds."""
        generator = np.random.default_rng(seed)
        vectors = unit_vectors(400, DIM, seed=10 + seed)
        part, oracle = make(ROWS, VECTORS), ExactPart(ROWS, VECTORS)
        for step in range(6):
            rows = generator.choice(np.arange(1, COUNT * 4), 15, replace=False).astype(np.int64)
            for each in (part, oracle):
                if step % 3 == 2:
                    each.delete(rows)
                else:
                    each.upsert(rows, vectors[step * 15 : step * 15 + 15])
            assert oracle.rows == part.rows
            assert_same(part, oracle, 10)
        assert_same(part, oracle, 10, some(50, seed))

    def test_a_row_that_stays_is_found_while_others_are_written(self, make: MakeWritable) -> None:
        """Writing rows does not hide others from those who search meanwhile."""
        part = make(ROWS, VECTORS)
        stay, others = slice(0, 20), np.arange(10_000, 10_030, dtype=np.int64)
        lost: list[int] = []
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                found = part.search(VECTORS[stay], 1)[1][:, 0]
                lost.extend(ROWS[stay][found != ROWS[stay]].tolist())

        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(look)
            for at in range(0, 30, 3):
                part.upsert(others[at : at + 3], -VECTORS[at : at + 3])
                part.delete(others[at : at + 1])
            done.set()
            looking.result()

        assert [] == lost
        assert COUNT + 20 == part.rows
