"""Moments of videos, found by their own vectors: of each video a few, and not the same scene twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from index.live.view import View
from index.moments import BestMoment, MomentRow
from index.ranking import Found
from index.schema import Record

# of one video in one answer
PER_VIDEO = 3
# Moments are numbered in their order: so near to a better one, they show what it shows.
_BESIDE = 1
# How many of the nearest are looked at first, and at most: what the service allows to page through, several times over.
_FIRST_DEPTH, _LAST_DEPTH = 256, 16_384


@dataclass(frozen=True)
class FoundMoment:
    """A moment that was found, and the video it is of."""

    record: Record
    best: BestMoment


@dataclass(frozen=True)
class _Seen:
    """What was looked up for an answer, by row id: moments that count, with their videos."""

    rows: dict[int, tuple[MomentRow, Record]]
    asked: set[int]


def moments_found(
    view: View, queries: np.ndarray, ks: Sequence[int], skips: Sequence[int], among: np.ndarray | None = None
) -> list[list[FoundMoment]]:
    """The moments nearest to each query, best first; pages of one query are slices of one order.

    Going down that order, a moment is passed over where `PER_VIDEO` of its video stand above it already, or one beside it.

    Args:
        view: what is searched.
        queries: (n, d) float32, unit norm.
        ks: how deep each query looks.
        skips: how many of its best each query leaves out.
        among: sorted int64 row ids of the moments that may be found; None = all.

    Returns:
        For each query its hits from the skipped ones to the k-th; fewer when there are fewer.
    """
    seen = _Seen({}, set())
    return [_found(view, query, k, among, seen)[skip:k] for query, k, skip in zip(queries, ks, skips, strict=True)]


def _found(view: View, query: np.ndarray, k: int, among: np.ndarray | None, seen: _Seen) -> list[FoundMoment]:
    depth, kept, found = _FIRST_DEPTH, list[FoundMoment](), Found.nothing()
    while view.moments.rows:
        scores, rowids = view.moments.search(query[None], depth, among=among)
        # what a deeper search finds besides follows what was shown: see `index.depths`
        found = found.continued(rowids[0], scores[0])
        rows = found.rows.tolist()
        _look_up(view, rows, seen)
        kept = _folded(rows, found.scores.tolist(), seen)
        # what is passed over may leave too few: then the answer is looked for further down
        if len(kept) >= k or len(rows) < depth or depth >= _LAST_DEPTH:
            break
        depth *= 4
    return kept


def _look_up(view: View, rows: Sequence[int], seen: _Seen) -> None:
    new = [row for row in rows if row not in seen.asked]
    seen.asked.update(new)
    moments = {row: one for row, one in zip(new, view.collection.moments.at(new), strict=True) if one is not None}
    records = view.collection.get_many({one.item_id for one in moments.values()})
    for row, one in moments.items():
        record = records.get(one.item_id)
        # between two commits of another writer there are moments that are not their video's, or not any more
        if record is not None and record.video is not None and record.video.key == one.key:
            seen.rows[row] = one, record


def _folded(rows: Sequence[int], scores: Sequence[float], seen: _Seen) -> list[FoundMoment]:
    kept: list[FoundMoment] = []
    taken: dict[str, list[int]] = {}
    for row, score in zip(rows, scores, strict=False):
        if row not in seen.rows:
            continue
        moment, record = seen.rows[row]
        others = taken.setdefault(moment.item_id, [])
        if len(others) < PER_VIDEO and all(abs(moment.position - other) > _BESIDE for other in others):
            others.append(moment.position)
            kept.append(FoundMoment(record, BestMoment(moment.seconds, float(score))))
    return kept
