"""The plainest part there is: the oracle of the others."""

import numpy as np

from index.parts import Found


class ExactPart:
    """Rows in a dictionary, compared one by one, sorted by Python."""

    def __init__(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        self.dim = vectors.shape[1]
        self._vectors: dict[int, np.ndarray] = {}
        self.upsert(rows, vectors)

    @property
    def rows(self) -> int:
        """N."""
        return len(self._vectors)

    def upsert(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Write rows."""
        self._vectors |= dict(zip(rows.tolist(), vectors, strict=True))

    def delete(self, rows: np.ndarray) -> None:
        """Remove rows."""
        for row in rows.tolist():
            self._vectors.pop(row, None)

    def search(self, queries: np.ndarray, k: int, *, among: np.ndarray | None = None) -> Found:
        """The k best of each query."""
        # as they are at this moment, whoever writes meanwhile
        vectors = dict(self._vectors)
        allowed = vectors.keys() if among is None else vectors.keys() & set(among.tolist())
        scores = np.zeros((len(queries), min(k, len(allowed))), np.float32)
        rows = np.zeros(scores.shape, np.int64)
        for at, query in enumerate(queries):
            order = sorted((-float(np.dot(query, vectors[row])), row) for row in allowed)[:k]
            scores[at] = [-score for score, _ in order]
            rows[at] = [row for _, row in order]
        return scores, rows
