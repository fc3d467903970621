"""The order that pages by number are slices of."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.depths import deepening, depth_of, in_order
from index.live.part import LiveVectors

ROWS = 5_000


@dataclass
class Approximate:
    """Vectors of one number each; a search to a depth overlooks rows that a deeper one sees."""

    rows: int = ROWS
    searches: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def search(self, queries: np.ndarray, k: int, *, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The *k* nearest of those that it sees, padded with -1."""
        self.searches.append((len(queries), k))
        there = np.arange(self.rows) if among is None else among
        found = [self._one(float(query[0]), there, k) for query in queries]
        scores, rows = zip(*found, strict=True)
        return np.stack(scores), np.stack(rows)

    def _one(self, query: float, there: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        seen = there[np.random.default_rng(k).random(len(there)) > 10 / k]
        rows = seen[np.argsort(np.abs(seen - query), kind="stable")][:k]
        scores = -np.abs(rows - query)
        padding = k - len(rows)
        return np.pad(scores, (0, padding)).astype(np.float32), np.pad(rows, (0, padding), constant_values=-1)


def part_of(approximate: Approximate) -> LiveVectors:
    """As what it stands in for."""
    return cast("LiveVectors", approximate)


QUERIES = np.array([[10.0], [2_500.0], [4_990.0]], np.float32)


@given(st.integers(1, 40_000))
def test_depths_are_few(k: int) -> None:
    """Each is deep enough, a depth of its own, and less than twice too deep beyond the first two."""
    depth = depth_of(k)

    assert k <= depth == depth_of(depth)
    assert depth in (128, 2048) or depth < 2 * k


@given(ks=st.lists(st.integers(1, 6_000), min_size=3, max_size=3))
def test_what_is_asked_for_begins_what_is_deeper(ks: list[int]) -> None:
    """However deep each query looks, alone or beside others: all that it finds are the first of one order."""
    approximate = Approximate()
    deepest = in_order(part_of(approximate), QUERIES, [6_000] * 3, None)

    for place, (k, found) in enumerate(zip(ks, in_order(part_of(approximate), QUERIES, ks, None), strict=True)):
        (alone,) = in_order(part_of(approximate), QUERIES[place : place + 1], [k], None)
        assert found.rows.tolist() == alone.rows.tolist() == deepest[place].rows[: len(found.rows)].tolist()
        assert len(found.rows) >= min(k, ROWS * 0.9)
        assert len(set(found.rows.tolist())) == len(found.rows)
        assert (-np.abs(found.rows - QUERIES[place, 0])).tolist() == found.scores.tolist()


def test_the_first_page_costs_one_search() -> None:
    """Queries that look as deep are searched for together; only those that look deeper are searched for again."""
    approximate = Approximate()
    in_order(part_of(approximate), QUERIES, [10, 128, 2_100], None)

    assert [(3, 128), (1, 2_048), (1, 4_096)] == approximate.searches


@pytest.mark.parametrize("among", [None, np.arange(0, ROWS, 7), np.zeros(0, np.int64)], ids=["all", "some", "none"])
def test_an_order_that_deepens_ends_where_all_were_found(among: np.ndarray | None) -> None:
    """Each is the beginning of the next; the last is as deep as there are rows."""
    approximate = Approximate()
    orders = list(deepening(part_of(approximate), QUERIES[1], among))

    for shorter, longer in pairwise(orders):
        assert shorter.rows.tolist() == longer.rows[: len(shorter.rows)].tolist()
    assert [128, 2_048, 4_096, 8_192] == [depth for _, depth in approximate.searches]
    assert not list(deepening(part_of(Approximate(rows=0)), QUERIES[1], among))
