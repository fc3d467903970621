"""How deep an index is searched, and the one order of hits that pages by number are slices of.

An approximate index finds a few more when it is asked for more, and some of them would have stood among the first. So depths are few,
and what a deeper search finds besides follows what shallower ones found: a page that was shown stays as it was.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from index.live.part import LiveVectors
from index.ranking import Found

# Of the first pages, and of everything deeper that may be asked for by numbers; cursors go deeper, by powers of two.
_DEPTHS = (128, 2048)


def depth_of(k: int) -> int:
    """The depth that an index is searched to for the k best."""
    return next((depth for depth in _DEPTHS if k <= depth), 1 << (k - 1).bit_length())


def in_order(part: LiveVectors, queries: np.ndarray, ks: Sequence[int], among: np.ndarray | None) -> list[Found]:
    """What is found for each query, best first to a depth of 128, then what deeper searches found besides.

    How deep an index is searched decides which of equals, and in a graph which neighbours, are found. A query's answer depends
    neither on how much of it is asked for nor on the queries that are answered beside it.

    Args:
        part: what is searched.
        queries: (n, d) float32, unit norm.
        ks: how many of each query's best are wanted; up to the depth that is searched to for them are found.
        among: sorted int64 row ids that may be found; None = all.
    """
    found = [Found.nothing() for _ in ks]
    depth = depth_of(1)
    while places := [place for place, k in enumerate(ks) if depth <= depth_of(k)]:
        scores, rowids = part.search(queries[places], depth, among=among)
        for place, values, rows in zip(places, scores, rowids, strict=True):
            found[place] = found[place].continued(rows, values)
        depth = depth_of(depth + 1)
    return found


def deepening(part: LiveVectors, query: np.ndarray, among: np.ndarray | None) -> Iterator[Found]:
    """The order of `in_order` for one query (d,), longer each time, to the depth that all rows would be found in."""
    found, depth = Found.nothing(), 0
    while depth < part.rows:
        depth = depth_of(depth + 1)
        scores, rowids = part.search(query[None], depth, among=among)
        found = found.continued(rowids[0], scores[0])
        yield found
