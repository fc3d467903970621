"""`VectorIndex` on FAISS, on the CPU: exact below 20,000 rows, an HNSW graph above."""

from collections.abc import Iterable
from pathlib import Path

import faiss
import numpy as np

from index.errors import SnapshotInvalid
from index.vectors import Parameters

# Two cores compare 20,000 x 512 floats in about 2 ms: below that a graph saves nothing and costs recall.
EXACT_BELOW_ROWS = 20_000
HNSW_LINKS = 32
HNSW_BUILD_WIDTH = 80
# A walk compares with about so many vectors for each candidate it keeps: below that share a scan is cheaper.
ROWS_A_STEP = 20


class FaissIndex:
    """A FAISS index of inner products."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    @classmethod
    def build(cls, batches: Iterable[np.ndarray], rows: int, dim: int) -> "FaissIndex":
        """Build from batches (n, d) float32 whose rows add up to *rows*; the batches are not kept."""
        if rows < EXACT_BELOW_ROWS:
            index = faiss.IndexFlatIP(dim)
        else:
            # half precision: the collection's vectors are no finer, and half the memory is read in each step of a walk
            half = faiss.ScalarQuantizer.QT_fp16
            index = faiss.IndexHNSWSQ(dim, half, HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)  # pyright: ignore[reportArgumentType] - the stubs miss this overload
            index.hnsw.efConstruction = HNSW_BUILD_WIDTH
        for batch in batches:
            index.add(np.ascontiguousarray(batch, np.float32))
        return cls(index)

    @classmethod
    def load(cls, path: Path) -> "FaissIndex":
        """Map a saved index into memory: opening costs nothing, pages come in with the first searches.

        Raises:
            SnapshotInvalid: *path* is not an index that this FAISS reads.
        """
        try:
            return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC))
        except RuntimeError as error:
            # FAISS has one exception for all faults; its message begins with a C++ signature
            detail = str(error).splitlines()[-1]
            raise SnapshotInvalid(
                f"{path} is not an index for FAISS {faiss.__version__} ({detail}): build it again"
            ) from error

    @property
    def rows(self) -> int:
        """N."""
        return self._index.ntotal

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self._index.d

    @property
    def factory(self) -> str:
        """The FAISS factory string."""
        if not self._is_graph:
            return "Flat"
        return f"HNSW{HNSW_LINKS},{'SQfp16' if isinstance(self._index, faiss.IndexHNSWSQ) else 'Flat'}"

    def search(
        self, queries: np.ndarray, k: int, parameters: Parameters, *, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best of each query; see `VectorIndex.search`. `efSearch` counts for a graph alone."""
        if not self._is_graph:
            return self.exact(queries, k, allowed=allowed)
        # a graph walk keeps efSearch candidates: fewer than k could not fill the answer
        width = max(parameters.get("efSearch", self._index.hnsw.efSearch), k)  # pyright: ignore[reportAttributeAccessIssue] - of IndexHNSW
        if allowed is not None:
            count = int(np.count_nonzero(allowed))
            # the walk meets forbidden vectors too, and finds among so many more as few as it would find of all
            width = -(-width * len(allowed) // max(count, 1))
            if count <= width * ROWS_A_STEP:
                return self.exact(queries, k, allowed=allowed)
        selector = None if allowed is None else _selector(allowed)
        chosen = faiss.SearchParametersHNSW(efSearch=width, sel=selector)  # pyright: ignore[reportAttributeAccessIssue] - made by SWIG
        return self._index.search(np.ascontiguousarray(queries, np.float32), k, params=chosen)

    def exact(self, queries: np.ndarray, k: int, *, allowed: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best by comparing with every vector that is allowed."""
        stored = faiss.downcast_index(self._index.storage) if self._is_graph else self._index  # pyright: ignore[reportAttributeAccessIssue] - of IndexHNSW
        chosen = None if allowed is None else faiss.SearchParameters(sel=_selector(allowed))  # pyright: ignore[reportCallIssue] - made by SWIG
        return stored.search(np.ascontiguousarray(queries, np.float32), k, params=chosen)

    def save(self, path: Path) -> None:
        """Write it as one file."""
        faiss.write_index(self._index, str(path))

    @property
    def _is_graph(self) -> bool:
        return isinstance(self._index, faiss.IndexHNSW)


def _selector(allowed: np.ndarray) -> faiss.IDSelectorBitmap:
    return faiss.IDSelectorBitmap(np.packbits(np.asarray(allowed, np.bool_), bitorder="little"))  # pyright: ignore[reportArgumentType, reportCallIssue] - made by SWIG


def use_threads(count: int) -> None:
    """Let searches that *this* thread makes use so many threads: OpenMP counts the machine's cores, not our share."""
    faiss.omp_set_num_threads(count)
