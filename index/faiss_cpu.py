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

    def search(self, queries: np.ndarray, k: int, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best of each query; see `VectorIndex.search`. `efSearch` counts for a graph alone."""
        chosen = None
        if self._is_graph and "efSearch" in parameters:
            # a graph walk keeps efSearch candidates: fewer than k could not fill the answer
            chosen = faiss.SearchParametersHNSW(efSearch=max(parameters["efSearch"], k))  # pyright: ignore[reportAttributeAccessIssue] - made by SWIG
        return self._index.search(np.ascontiguousarray(queries, np.float32), k, params=chosen)

    def exact(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best by comparing with every vector."""
        stored = faiss.downcast_index(self._index.storage) if self._is_graph else self._index  # pyright: ignore[reportAttributeAccessIssue] - of IndexHNSW
        return stored.search(np.ascontiguousarray(queries, np.float32), k)

    def save(self, path: Path) -> None:
        """Write it as one file."""
        faiss.write_index(self._index, str(path))

    @property
    def _is_graph(self) -> bool:
        return isinstance(self._index, faiss.IndexHNSW)


def use_threads(count: int) -> None:
    """Let searches that *this* thread makes use so many threads: OpenMP counts the machine's cores, not our share."""
    faiss.omp_set_num_threads(count)
