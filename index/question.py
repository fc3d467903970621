"""What may be asked beside a vector: which rows, which words, and duplicates as one. The answer is one ranking.

filter -> rows that may be found -> by vector, by words -> fused -> duplicates folded
"""

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import lance
import numpy as np
import pyarrow.compute as pc
from pydantic import JsonValue

from index.collection import Collection
from index.datasets import row_ids, rows_at, rows_of_ids
from index.depths import deepening
from index.duplicates.collapse import collapse
from index.duplicates.groups import Groups
from index.fields.types import fields_of
from index.filters.grammar import parse_filter
from index.filters.rows import matching_rows
from index.fusion import reciprocal_rank_fusion, weighted_fusion
from index.kept import Kept
from index.lexical.search import CAPTIONS, Operator, search_captions, search_texts
from index.live.part import LiveVectors
from index.live.tail import within
from index.live.view import View
from index.ranking import Found, Ranking, best_of

Target = Literal["images", "texts", "moments"]

# captions of so many items are looked up by their ids; of more, all are read through
_LOOKED_UP = 20_000
_KEPT_FILTERS = 16
# ten million rows, a half allowed, are 40 MB
_KEPT_BYTES = 1 << 28


@dataclass(frozen=True)
class Words:
    """A search by words beside the vector.

    Attributes:
        text: whose words.
        operator: "or" wants one of them, "and" all, "phrase" all in their order.
        method: "rrf" fuses by ranks, "weighted" by scores.
        weight: of the words, in [0, 1]; the vector has the rest.
        depth: hits that each of the two rankings gives to the fused one, which ends with them.
        columns: where the words are looked for, as `search_texts` takes them; of captions themselves always their own text.
    """

    text: str
    operator: Operator = "or"
    method: Literal["rrf", "weighted"] = "weighted"
    # where the model knows the words, BM25 finds half of what it finds: docs/hybrid.md
    weight: float = 0.2
    depth: int = 200
    columns: tuple[str, ...] = (CAPTIONS,)


NO_ROWS = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Question:
    """One question.

    Attributes:
        vector: (d,) float32, unit norm.
        target: "images" finds items, "texts" finds captions.
        among: sorted int64 row ids of the target that may be found; None = all.
        words: beside the vector.
        groups: duplicates of which the best one stands for all; of items alone.
        without: int64 row ids that are no hits, and stand for no duplicates.
    """

    vector: np.ndarray
    target: Literal["images", "texts"] = "images"
    among: np.ndarray | None = None
    words: Words | None = None
    groups: Groups | None = None
    without: np.ndarray = field(default_factory=lambda: NO_ROWS)


class Filtered:
    """Rows that match filters, at one version of a collection; the last few are kept. Safe to share between threads."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._kept = Kept[np.ndarray](_KEPT_FILTERS, _KEPT_BYTES)

    def rows(self, where: JsonValue, target: Target) -> np.ndarray:
        """Sorted int64 row ids, of items, captions or moments as *target* says, whose item matches; read-only.

        The same filter gives the same array while it is kept: parts know by it what they have worked out.

        Raises:
            FilterInvalid, FieldUnknown: the filter cannot be understood; its `path` says where.
        """
        key = (json.dumps(where, sort_keys=True), target)
        return self._kept.of(key, lambda: self._find(where, target), lambda rows: rows.nbytes)

    def _find(self, where: JsonValue, target: Target) -> np.ndarray:
        collection = self._view.collection
        if target != "images":
            dataset = collection.captions if target == "texts" else collection.moments.dataset
            found = _rows_of_items(collection, dataset, self.rows(where, "images"))
        else:
            items = collection.items
            found = matching_rows(items, parse_filter(where, fields_of(items.schema)))
        found.flags.writeable = False
        return found


def ranked(view: View, question: Question, depth: int) -> Ranking:
    """The best of a question, as many as *depth* and maybe more; with words no more than both rankings have.

    Raises:
        TextIndexMissing: the captions cannot be searched by words yet.
        FusionInvalid: as `weighted_fusion`.
    """
    if question.groups is None:
        return _ranked(view, question, depth)
    wanted, part = depth, _part(view, question)
    while True:
        found = _ranked(view, question, depth)
        kept = collapse(found.rows, found.scores, question.groups).kept
        enough = len(kept) >= wanted or depth >= part.rows
        if enough or (question.words is not None and depth >= question.words.depth):
            return Ranking(found.rows[kept], found.scores[kept])
        depth = 4 * depth


def paged(view: View, question: Question, count: int) -> Found:
    """The first *count* of a question without words, and maybe more, in the order of `index.depths`: pages by number are its slices."""
    assert question.words is None, "a ranking with words is kept, and pages are cut from that"
    found = Found.nothing()
    for each in deepening(_part(view, question), question.vector, question.among):
        there = ~np.isin(each.rows, question.without)
        found = Found(each.rows[there], each.scores[there])
        if question.groups is not None:
            # of duplicates the first in this order: a better one that was found later would move what was shown
            kept = collapse(found.rows, -np.arange(len(found.rows)), question.groups).kept
            found = Found(found.rows[kept], found.scores[kept])
        if len(found.rows) >= count:
            break
    return found


def folded(view: View, question: Question, rows: np.ndarray) -> list[int]:
    """For each hit of a question with groups, of those *rows* (n,), how many other hits it stands for.

    With itself those are the items of its group that could have been hits: they are there now, match the filter, and are not
    left out. Only the members of these groups are looked at.
    """
    groups, among = question.groups, question.among
    if groups is None or not len(rows):
        return []
    members = [groups.members(row) for row in rows.tolist()]
    found = np.concatenate(members)
    # what matches a filter is there
    counted = view.images.there(found) if among is None else within(found, among)
    sizes = [len(each) for each in members]
    # a hit of a ranking that was kept may match no more: it is counted neither way
    counted &= ~np.isin(found, question.without) & (found != np.repeat(rows, sizes))
    return np.add.reduceat(counted, np.cumsum([0, *sizes[:-1]]), dtype=np.int64).tolist()


def _ranked(view: View, question: Question, depth: int) -> Ranking:
    found = _fused(view, question, depth + len(question.without))
    if not len(question.without):
        return found
    others = ~np.isin(found.rows, question.without)
    return Ranking(found.rows[others], found.scores[others])


def _fused(view: View, question: Question, depth: int) -> Ranking:
    if question.words is None:
        return _by_vector(view, question, depth)
    words = question.words
    search = partial(search_texts, columns=words.columns) if question.target == "images" else search_captions
    by_words = search(view.collection, words.text, words.depth, operator=words.operator, allowed=question.among)
    rankings, weights = [_by_vector(view, question, words.depth), by_words], [1 - words.weight, words.weight]
    if words.method == "rrf":
        return reciprocal_rank_fusion(rankings, weights=weights)
    # of a text without any of the words BM25 is 0
    return weighted_fusion(rankings, weights, floors=[None, 0.0])


def _by_vector(view: View, question: Question, depth: int) -> Ranking:
    scores, rows = _part(view, question).search(question.vector[None], depth, among=question.among)
    return best_of(rows[0], scores[0]).top(depth)


def _part(view: View, question: Question) -> LiveVectors:
    return view.images if question.target == "images" else view.texts


def _rows_of_items(collection: Collection, dataset: lance.LanceDataset | None, items: np.ndarray) -> np.ndarray:
    """Sorted row ids of the captions or moments, in *dataset*, of those items."""
    if dataset is None:
        return np.zeros(0, np.int64)
    if len(items) <= _LOOKED_UP:
        ids = rows_at(collection.items, items.tolist(), ["id"])["id"].to_pylist()
        return np.sort(row_ids(rows_of_ids(dataset, "item_id", ids, ["item_id"])))
    scan = collection.items.scanner(columns=["id"], with_row_id=True).to_table()
    ids = scan["id"].filter(np.isin(scan["_rowid"].to_numpy(), items)).combine_chunks()
    found = [
        row_ids(batch.filter(pc.is_in(batch["item_id"], value_set=ids)))  # pyright: ignore[reportAttributeAccessIssue] - made at import
        for batch in dataset.scanner(columns=["item_id"], with_row_id=True).to_batches()
    ]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *found]))
