"""Search by words: the items whose texts match a query best, by BM25.

Of a query's words t (each as often as it stands there) and a text D of the column,

    score(D) = sum over t of ln(1 + (N - n_t + 0.5) / (n_t + 0.5)) * f_t (k1 + 1) / (f_t + k1 (1 - b + b |D| / mean |D|))

with k1 = 1.2, b = 0.75, N texts, n_t of them with t, f_t times t in D and |D| words in D. Source: Robertson & Zaragoza 2009, "The
Probabilistic Relevance Framework: BM25 and Beyond"; the 1 inside the logarithm keeps words of more than half the texts
above zero. N, n_t and mean |D| are those of all texts in the column's index (`index.lexical.text_index` tells which are not yet).

An item with several captions counts by its best one. Captions describe one picture in different words, so a caption that
lacks a word takes nothing from one that has it; and a sum would rank items by how many captions they happen to have. Of
several columns the best counts likewise: words of a title and of a caption are not of one length and one frequency.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lance.query import FullTextOperator, FullTextQuery, MatchQuery, PhraseQuery

from index.collection import Collection
from index.datasets import row_filter, row_ids, rows_at, rows_of_ids
from index.errors import TextIndexMissing
from index.fields.types import fields_of
from index.lexical.text_index import has_text_index
from index.lexical.words import query_of
from index.live.tail import within
from index.ranking import Ranking, best_of
from index.schema import lists

Operator = Literal["or", "and", "phrase"]
# the name by which captions are asked for beside columns of the items
CAPTIONS = "captions"
_TEXT = "text"

_FIRST_TEXTS = 64
# With more texts than this of one score around the last place, which of them are found is Lance's choice. They are
# alike to the query, and a word that a million captions share must not cost seconds.
_MAX_EQUALS = 16_384
# To look up an allowed item before a search costs about an eighth of looking up a found one after it.
_LOOKUPS = 8


@dataclass(frozen=True)
class _Found:
    """Texts that match, best first.

    Attributes:
        texts: (n,) int64 row ids of the texts.
        items: (n,) int64 row ids of their items; -1 where the text does not count, or the item is not allowed.
        scores: (n,) float32.
    """

    texts: np.ndarray
    items: np.ndarray
    scores: np.ndarray


# the best texts, as many as asked for
_Fetch = Callable[[int], _Found]


def search_texts(
    collection: Collection,
    text: str,
    k: int,
    *,
    columns: Sequence[str] = (CAPTIONS,),
    operator: Operator = "or",
    allowed: np.ndarray | None = None,
) -> Ranking:
    """The k items whose texts match the words of *text* best.

    Args:
        collection: at the version to search.
        text: any text; only its words count, and of those the first `MAX_WORDS`. One without words finds nothing.
        k: how many.
        columns: "captions", or columns of the items with a full-text index.
        operator: "or" wants one of the words, "and" all of them in one text, "phrase" all in their order.
        allowed: sorted int64 row ids of the items that may be found; None = all.

    Returns:
        Row ids of items and BM25 scores (float32), above zero; of equals the smaller row id first.

    Raises:
        TextIndexMissing: a column cannot be searched by words.
    """
    found = [
        _enough(_fetch(collection, query_of(text), column, operator, k, allowed), k, lambda each: each.items)
        for column in columns
    ]
    rows = np.concatenate([np.zeros(0, np.int64), *(each.rows for each in found)])
    scores = np.concatenate([np.zeros(0, np.float32), *(each.scores for each in found)])
    return best_of(rows, scores).top(k)


def search_captions(
    collection: Collection, text: str, k: int, *, operator: Operator = "or", allowed: np.ndarray | None = None
) -> Ranking:
    """The k captions that match the words of *text* best; as `search_texts`, but with the captions' own row ids.

    Those in *allowed* are captions' too.
    """
    query = _asked(collection, query_of(text), CAPTIONS, operator)
    if _is_idle(query_of(text), k, allowed):
        return best_of(np.zeros(0, np.int64), np.zeros(0, np.float32))
    among = _if_few(allowed, k, collection.captions.count_rows())
    fetch = _captions(collection, query, None if among is None else row_filter(among.tolist()), None)
    # of an item that has them no more, or of none that may be found
    return _enough(
        fetch, k, lambda each: np.where((each.items >= 0) & _within(each.texts, allowed), each.texts, -1)
    ).top(k)


def _enough(fetch: _Fetch, k: int, rows: Callable[[_Found], np.ndarray]) -> Ranking:
    """At least the k best rows and all that equal the k-th, as far as there are so many."""
    limit = max(_FIRST_TEXTS, 2 * k)
    while True:
        found = fetch(limit)
        ranking = best_of(rows(found), found.scores)
        if len(found.scores) < limit:
            return ranking
        last_in = len(ranking) >= k and (found.scores[-1] < ranking.scores[k - 1] or limit >= _MAX_EQUALS)
        if last_in:
            return ranking
        limit *= 4


def _fetch(
    collection: Collection, query: str, column: str, operator: Operator, k: int, allowed: np.ndarray | None
) -> _Fetch:
    asked = _asked(collection, query, column, operator)
    if _is_idle(query, k, allowed):
        nothing = np.zeros(0, np.int64)
        return lambda _: _Found(nothing, nothing, np.zeros(0, np.float32))
    among = _if_few(allowed, k, collection.count())
    if column == CAPTIONS:
        return _captions(collection, asked, _captions_filter(collection, among), allowed)
    return _column(collection.items, asked, None if among is None else row_filter(among.tolist()), allowed)


def _asked(collection: Collection, query: str, column: str, operator: Operator) -> FullTextQuery:
    """What Lance is asked; raises TextIndexMissing."""
    dataset, name = (collection.captions, _TEXT) if column == CAPTIONS else (collection.items, column)
    if not has_text_index(dataset, name):
        fields = fields_of(collection.items.schema).values()
        field = next((each.name for each in fields if each.column == name), None)
        made_by = f"publish {collection.info.name}" if field is None else f"fields {collection.info.name} words {field}"
        raise TextIndexMissing(
            f"{field or column!r} of collection {collection.info.name!r} cannot be searched by words yet: run "
            f"`vilem index {made_by}`"
        )
    return _lance_query(query, name, operator)


def _is_idle(query: str, k: int, allowed: np.ndarray | None) -> bool:
    return not query or k < 1 or (allowed is not None and not len(allowed))


def _if_few(allowed: np.ndarray | None, k: int, count: int) -> np.ndarray | None:
    """Rows that Lance is told to look among; None where it is quicker to leave out others of what it finds."""
    return allowed if allowed is not None and len(allowed) ** 2 <= _LOOKUPS * k * count else None


def _lance_query(query: str, column: str, operator: Operator) -> FullTextQuery:
    if operator == "phrase":
        return PhraseQuery(query, column)
    return MatchQuery(query, column, operator=FullTextOperator(operator.upper()))


def _captions_filter(collection: Collection, among: np.ndarray | None) -> pc.Expression | None:
    if among is None:
        return None
    ids = rows_at(collection.items, among.tolist(), ["id"])["id"]
    return pc.field("item_id").isin(ids.combine_chunks())


def _column(items: lance.LanceDataset, query: FullTextQuery, among: str | None, allowed: np.ndarray | None) -> _Fetch:
    def fetch(limit: int) -> _Found:
        table = _matches(items, query, [], among, limit)
        rows = row_ids(table)
        return _Found(rows, np.where(_within(rows, allowed), rows, -1), _scores(table))

    return fetch


def _captions(
    collection: Collection, query: FullTextQuery, among: pc.Expression | str | None, allowed: np.ndarray | None
) -> _Fetch:
    def fetch(limit: int) -> _Found:
        table = _matches(collection.captions, query, ["item_id", "position", "text"], among, limit)
        return _Found(row_ids(table), _items_of(collection.items, table, allowed), _scores(table))

    return fetch


def _items_of(items: lance.LanceDataset, captions: pa.RecordBatch, allowed: np.ndarray | None) -> np.ndarray:
    """(n,) int64: row id of each caption's item, or -1 where that does not list the caption, or is not allowed."""
    ids = captions["item_id"].to_pylist()
    known = rows_of_ids(items, "id", ids, ["id"])
    rows = row_ids(known)
    rows_by_id = {
        item_id: row
        for item_id, row, may in zip(known["id"].to_pylist(), rows.tolist(), _within(rows, allowed), strict=True)
        if may
    }
    # in two steps: lists of texts are read of those items only that may be found
    listed = rows_at(items, list(rows_by_id.values()), ["captions"])
    texts = dict(zip(listed["_rowid"].to_pylist(), listed["captions"].to_pylist(), strict=True))
    places = zip(ids, captions["position"].to_pylist(), captions["text"].to_pylist(), strict=True)
    found = [
        (row, lists(texts.get(row, []), at, text))
        for row, at, text in ((rows_by_id.get(item_id, -1), at, text) for item_id, at, text in places)
    ]
    return np.array([row if counts else -1 for row, counts in found], np.int64)


def _matches(
    dataset: lance.LanceDataset,
    query: FullTextQuery,
    columns: list[str],
    among: pc.Expression | str | None,
    limit: int,
) -> pa.RecordBatch:
    table = dataset.to_table(
        columns=[*columns, "_score"],
        full_text_query=query,
        filter=among,
        prefilter=True,
        limit=limit,
        with_row_id=True,
    )
    return table.combine_chunks().to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], table.schema)


def _scores(batch: pa.RecordBatch) -> np.ndarray:
    return batch["_score"].to_numpy(zero_copy_only=False).astype(np.float32)


def _within(rows: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
    """(n,) bool: which of *rows* are in *allowed*, sorted; None = all."""
    return np.ones(len(rows), bool) if allowed is None else within(rows, allowed)
