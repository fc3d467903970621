"""`VectorPart` on Milvus: rows by their Lance row ids, searched where they are."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from index.errors import MilvusMismatch
from index.live.tail import within
from index.milvus.connection import Connection
from index.milvus.store import ROW, VECTOR, Store, ask, count_rows, open_store
from index.milvus.stored import BATCH_ROWS, Stored
from index.parts import NO_ROW, NO_SCORE, Found, best, compared, nothing

# The most rows that Milvus finds for one query.
MAX_K = 16_384
# So few rows are compared one by one, from Lance: 60 ms for 2,000 of them, and exact whatever the index is.
EXACT_ROWS = 1_024
# So many may stand in one filter. A server takes them as bound values (8 bytes each); milvus-lite parses a text.
FILTER_ROWS = 65_536
LITE_FILTER_ROWS = 4_096
# Rows that are looked at in vain cost little, another round trip much.
_SPARE = 16
_EXACT_BATCH = 8_192
# Rows of an answer to one call: 16 MB, and a message may have 64.
_ANSWER_ROWS = 1_000_000
_WRITE_S = 60.0

Keep = Callable[[np.ndarray], np.ndarray]


class MilvusPart:
    """Vectors of one kind in one store; safe to share between threads.

    Args:
        connection: open, and closed by whoever opened it.
        store: what is searched.
        stored: the same rows in Lance, for exact answers among few; only of a part that nobody writes to.
    """

    def __init__(self, connection: Connection, store: Store, stored: Stored | None = None) -> None:
        self.store = store
        self._connection = connection
        self._stored = stored
        self._filter_rows = LITE_FILTER_ROWS if connection.is_lite else FILTER_ROWS
        self._count: int | None = None

    @classmethod
    def open(cls, connection: Connection, name: str, stored: Stored | None = None) -> "MilvusPart":
        """The part of the store of that name; raises as `open_store`."""
        return cls(connection, open_store(connection, name), stored)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.store.dim

    @property
    def rows(self) -> int:
        """N; asked for once after each write of this process."""
        count = self._count
        if count is None:
            count = self._count = count_rows(self._connection, self.store.name)
        return count

    def search(
        self, queries: np.ndarray, k: int, *, among: np.ndarray | None = None, without: np.ndarray | None = None
    ) -> Found:
        """Find the k best of each query, at most 16,384 of them; see `index.parts.VectorPart.search`.

        A few rows are compared exactly; up to 65,536 (4,096 in milvus-lite) become a filter; of more, so many neighbours
        are looked at that k of them should be among them, and if they are not, the rows are compared exactly.

        Args:
            queries: (n, d) float32, unit norm.
            k: how many, at least 1.
            among: sorted int64 row ids that may be found; None = all.
            without: sorted int64 row ids that may not be found, for they have died or are known better elsewhere.

        Raises:
            MilvusUnreachable: nothing answered in time.
            MilvusMismatch: the store is gone, or the queries are of another model.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if queries.shape[1:] != (self.dim,):
            raise MilvusMismatch(
                f"queries of shape {queries.shape} do not fit {self.store.name}, which has d={self.dim}"
            )
        k = min(k, MAX_K)
        if among is None:
            dead = without if without is not None else np.zeros(0, np.int64)
            return self._looked(queries, k, lambda rows: ~within(rows, dead), k + _SPARE if len(dead) else k)[0]
        if without is not None:
            among = np.setdiff1d(among, without, assume_unique=True)
        if not len(among) or not len(queries):
            return nothing(len(queries))
        if self._stored is not None and len(among) <= EXACT_ROWS:
            return _exact(self._stored, queries, k, among)
        return self._among(queries, k, among)

    def upsert(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Write *rows* (w,) with their *vectors* (w, d) of unit norm; of one that is named twice, the last counts.

        Raises:
            MilvusMismatch: the vectors are of another model.
        """
        if vectors.shape != (len(rows), self.dim):
            raise MilvusMismatch(f"vectors of shape {vectors.shape} do not fit {self.store.name}, d={self.dim}")
        _, last = np.unique(rows[::-1], return_index=True)
        places = len(rows) - 1 - last
        stored = vectors.astype(np.float16 if self.store.half else np.float32)
        for start in range(0, len(places), BATCH_ROWS):
            batch = [{ROW: int(rows[at]), VECTOR: stored[at]} for at in places[start : start + BATCH_ROWS].tolist()]
            self._write("upsert", data=batch)

    def delete(self, rows: np.ndarray) -> None:
        """Remove *rows* (w,); those that are not there are passed over."""
        for start in range(0, len(rows), LITE_FILTER_ROWS):
            self._write("delete", ids=rows[start : start + LITE_FILTER_ROWS].tolist())

    def _write(self, method: str, **named: Any) -> None:  # noqa: ANN401 - as pymilvus has them
        with self._connection.writing:
            ask(self._connection, method, self.store.name, timeout_s=_WRITE_S, **named)
            self._count = None

    def _among(self, queries: np.ndarray, k: int, among: np.ndarray) -> Found:
        """Among so many that comparing them one by one is the last resort."""
        if len(among) > self._filter_rows:
            depth = _SPARE + math.ceil(1.5 * k * self.rows / len(among))
            found, complete = self._looked(queries, k, lambda rows: within(rows, among), depth)
            if complete:
                return found
            if self._stored is not None:
                return _exact(self._stored, queries, k, among)
        found = nothing(len(queries))
        for start in range(0, len(among), self._filter_rows):
            found = best([found, self._ask(queries, k, among[start : start + self._filter_rows])], k)
        return found

    def _looked(self, queries: np.ndarray, k: int, keep: Keep, depth: int) -> tuple[Found, bool]:
        """The k best that are to be kept, and whether there is no doubt that these are all."""
        while True:
            depth = min(depth, MAX_K)
            scores, rows = self._ask(queries, depth)
            kept = (rows != NO_ROW) & keep(rows.ravel()).reshape(rows.shape)
            lacking = (kept.sum(axis=1) < k) & (rows != NO_ROW).all(axis=1)
            complete = rows.shape[1] < depth or not lacking.any()
            if complete or depth == MAX_K:
                masked = np.where(kept, scores, np.float32(NO_SCORE)), np.where(kept, rows, NO_ROW)
                return best([masked], k), complete
            depth *= 2

    def _ask(self, queries: np.ndarray, k: int, among: np.ndarray | None = None) -> Found:
        """What Milvus finds, in our order; a pad of no rows where it finds fewer for one query than for another."""
        sent = queries.astype(np.float16) if self.store.half else queries
        together = max(1, _ANSWER_ROWS // k)
        named: dict[str, Any] = {
            "anns_field": VECTOR,
            # milvus-lite sends the vectors too where nothing is named
            "output_fields": [ROW],
            "limit": k,
            "search_params": self.store.search_params(k),
            "consistency_level": "Session",
            **self._filter(among),
        }
        hits: list[Any] = []
        for start in range(0, len(sent), together):
            data = list(sent[start : start + together])
            hits += ask(self._connection, "search", self.store.name, data=data, **named)
        width = max((len(each.ids) for each in hits), default=0)
        scores = np.full((len(queries), width), NO_SCORE, np.float32)
        rows = np.full((len(queries), width), NO_ROW, np.int64)
        for at, each in enumerate(hits):
            scores[at, : len(each.ids)] = each.distances
            rows[at, : len(each.ids)] = each.ids
        return best([(scores, rows)], k)

    def _filter(self, among: np.ndarray | None) -> dict[str, Any]:
        if among is None:
            return {}
        if self._filter_rows == FILTER_ROWS:
            return {"filter": f"{ROW} in {{rows}}", "filter_params": {"rows": among.tolist()}}
        # milvus-lite binds no values; these are integers
        return {"filter": f"{ROW} in {among.tolist()}"}


def _exact(stored: Stored, queries: np.ndarray, k: int, among: np.ndarray) -> Found:
    found = nothing(len(queries))
    for start in range(0, len(among), _EXACT_BATCH):
        rows, vectors = stored.vectors(among[start : start + _EXACT_BATCH])
        found = best([found, compared(queries, rows, vectors, k)], k)
    return found
