"""The stored vectors themselves, of which an exact search is made: in an index, or half precision in a file.

The file is raw: row-major little-endian float16 (N, d), nothing before and nothing after. It is written as the rows come
and mapped into memory to be read.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from index.allowed import Allowed
from index.kinds.swig import SwigIndex, SwigObject, swig

# A block of the rows a filter allows stays in the processor's cache between copying and comparing.
_BLOCK_BYTES = 1 << 19
# Looking at every row costs about what copying a thirtieth of them does (1.8 ns of 512 dimensions against 60, measured).
_COPY_BELOW_SHARE = 1 / 30
_NONE = np.float32(np.finfo(np.float32).min)


class Rows:
    """Vectors of inner products, searched one by one; safe to share between threads."""

    def __init__(self, index: SwigIndex, keep: object = None) -> None:
        self.index = index
        # what *index* reads but does not own
        self._keep = keep

    @classmethod
    def mapped(cls, path: Path, rows: int, dim: int) -> "Rows":
        """Those of a raw file; nothing is read before it is searched.

        Raises:
            ValueError: the file is not of that size.
        """
        if path.stat().st_size != rows * dim * 2:
            raise ValueError(f"{path} has {path.stat().st_size} bytes, {rows} x {dim} vectors have {rows * dim * 2}")
        codes = np.memmap(path, np.uint8, "r", shape=(rows, dim * 2)) if rows else np.zeros((0, dim * 2), np.uint8)
        return cls(_over(codes, dim), codes)

    def search(self, queries: np.ndarray, k: int, *, allowed: Allowed | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k best of each query (n, d): scores (n, k), falling, and positions (n, k), -1 where there are fewer."""
        queries = np.ascontiguousarray(queries, np.float32)
        if allowed is None:
            return self.index.search(queries, k)
        if _is_half(self.index) and allowed.count < _COPY_BELOW_SHARE * len(allowed):
            return self._search_few(queries, k, allowed.positions)
        chosen = swig.SearchParameters(sel=selector(allowed))
        return self.index.search(queries, k, params=chosen)

    def _search_few(self, queries: np.ndarray, k: int, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        codes = _codes(self.index)
        step = max(1, _BLOCK_BYTES // codes.shape[1])
        best = np.full((len(queries), k), _NONE), np.full((len(queries), k), -1, np.int64)
        for start in range(0, len(positions), step):
            block = positions[start : start + step]
            copied = codes[block]
            scores, found = _over(copied, self.index.d).search(queries, min(k, len(block)))
            best = merged(best, (scores, block[found]), k)
        return best


def write_halves(batches: Iterable[np.ndarray], path: Path) -> Iterator[np.ndarray]:
    """Hand on batches (n, d) float32, and write them to *path* as half precision on the way."""
    with path.open("wb") as file:
        for batch in batches:
            file.write(np.ascontiguousarray(batch, "<f2").data)
            yield batch


def merged(
    left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of two answers (scores (n, a), positions (n, a)); of equals the smaller position first."""
    scores = np.concatenate([left[0], right[0]], axis=1)
    positions = np.concatenate([left[1], right[1]], axis=1)
    order = np.lexsort((positions, -scores), axis=-1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(positions, order, axis=1)


def selector(allowed: Allowed) -> SwigObject:
    """FAISS's form of it."""
    return swig.IDSelectorBitmap(allowed.packed)


def _is_half(index: SwigIndex) -> bool:
    return isinstance(index, swig.IndexScalarQuantizer) and index.sq.qtype == swig.ScalarQuantizer.QT_fp16


def _codes(index: SwigIndex) -> np.ndarray:
    """The bytes (N, 2 d) that *index* compares with; not copied."""
    return swig.rev_swig_ptr(index.codes.data(), index.ntotal * index.code_size).reshape(index.ntotal, -1)


def _over(codes: np.ndarray, dim: int) -> SwigObject:
    """An index that reads half-precision vectors where they lie, (n, 2 d) bytes; the caller keeps them."""
    index = swig.IndexScalarQuantizer(dim, swig.ScalarQuantizer.QT_fp16, swig.METRIC_INNER_PRODUCT)
    vector = swig.MaybeOwnedVectorUInt8
    # the owner of an empty vector is nobody: FAISS neither copies nor frees what it is shown
    index.codes = vector.create_view(swig.swig_ptr(codes), codes.nbytes, vector().owner)
    index.ntotal = len(codes)
    index.is_trained = True
    return index
