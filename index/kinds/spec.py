"""Which index to build: its kind, and the sizes that are fixed when it is built.

| kind | what is compared | bytes a row in memory | mapped beside, d x fp16 |
| --- | --- | --- | --- |
| flat | every vector, float32 | 4 d | no |
| hnsw-fp16 | a walk over a graph of half-precision vectors | 2 d + links | no |
| hnsw-sq8 | the same over 8 bits a dimension; candidates are compared again | d + links | yes |
| ivf-rabitq | the nearest lists, 1 to 4 bits a dimension (RaBitQ, Gao and Long 2024); candidates are compared again | bits d / 8 + 8 to 28 | yes |
| ivf-pq | the nearest lists, 4 bits for every 4 dimensions (fast-scan PQ); candidates are compared again | d / 8 + 8 | yes |

"Compared again": with the half-precision vectors of the collection, in a file that is mapped into memory; only the pages of
candidates are read, and the kernel may drop them. So the graph and the lists need not be exact, and no kind's scores
are approximate.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from index.kinds.swig import SwigIndex, swig

Kind = Literal["flat", "hnsw-fp16", "hnsw-sq8", "ivf-rabitq", "ivf-pq"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Two cores compare 20,000 x 512 floats in about 2 ms: below that a graph saves nothing and costs recall.
EXACT_BELOW_ROWS = 20_000
HNSW_LINKS = 32
HNSW_BUILD_WIDTH = 80
# From here on each row's nearest centroid is found by a graph over the centroids: comparing with all costs more than the lists.
GRAPH_OF_CENTROIDS_FROM = 8_192
# k-means' own lower bound, below which FAISS warns; its time is lists x this
TRAINING_ROWS_A_LIST = 40
TRAINING_BYTES = 1 << 29
_KMEANS_ROUNDS = 8


@dataclass(frozen=True)
class Spec:
    """What to build.

    Attributes:
        kind: see the table above.
        links: of each row of a graph on its upper levels; twice that on the lowest.
        lists: how many lists IVF has.
        bits: of each dimension, in ivf-rabitq.
    """

    kind: Kind
    links: int = HNSW_LINKS
    lists: int = 0
    bits: int = 1

    @property
    def is_graph(self) -> bool:
        """Whether it is a walk over a graph."""
        return self.kind.startswith("hnsw")

    @property
    def is_inverted(self) -> bool:
        """Whether it scans lists."""
        return self.kind.startswith("ivf")

    @property
    def refines(self) -> bool:
        """Whether candidates are compared again with vectors in a file of their own."""
        return self.kind not in ("flat", "hnsw-fp16")

    def training_rows(self, dim: int) -> int:
        """How many rows of *dim* dimensions it learns from, half a gigabyte at most; 0 where there is nothing to learn."""
        wanted = self.lists * TRAINING_ROWS_A_LIST if self.is_inverted else 65_536 * (self.kind == "hnsw-sq8")
        return min(wanted, TRAINING_BYTES // (4 * dim))

    def factory(self, dim: int) -> str:
        """Its FAISS factory string, of vectors of *dim* dimensions."""
        if self.is_inverted:
            coarse = f"IVF{self.lists}" + ("_HNSW32" if self.lists >= GRAPH_OF_CENTROIDS_FROM else "")
            bits = "" if self.bits == 1 else str(self.bits)
            return f"{coarse},RaBitQ{bits}" if self.kind == "ivf-rabitq" else f"{coarse},PQ{_parts(dim)}x4fs"
        if self.is_graph:
            return f"HNSW{self.links},{'SQfp16' if self.kind == 'hnsw-fp16' else 'SQ8'}"
        return "Flat"

    def make(self, dim: int) -> SwigIndex:
        """An empty index, not yet trained."""
        made = swig.index_factory(dim, self.factory(dim), swig.METRIC_INNER_PRODUCT)
        if self.is_graph:
            made.hnsw.efConstruction = HNSW_BUILD_WIDTH
        elif self.is_inverted:
            made.cp.niter = _KMEANS_ROUNDS
            made.cp.min_points_per_centroid = 1
            made.cp.max_points_per_centroid = TRAINING_ROWS_A_LIST
        return made


def factory_of(index: SwigIndex) -> str:
    """The FAISS factory string of an index that was built of a `Spec`, or by an earlier version."""
    if isinstance(index, swig.IndexHNSW):
        links = index.hnsw.nb_neighbors(1)
        half = isinstance(index, swig.IndexHNSWSQ) and _quantizer(index) == swig.ScalarQuantizer.QT_fp16
        kind = "SQfp16" if half else "SQ8" if isinstance(index, swig.IndexHNSWSQ) else "Flat"
        return f"HNSW{links},{kind}"
    if isinstance(index, swig.IndexIVF):
        if isinstance(index, swig.IndexIVFRaBitQ):
            return Spec("ivf-rabitq", lists=index.nlist, bits=index.rabitq.nb_bits).factory(index.d)
        return Spec("ivf-pq", lists=index.nlist).factory(index.d)
    return "Flat"


def _quantizer(index: SwigIndex) -> int:
    return swig.downcast_index(index.storage).sq.qtype


def _parts(dim: int) -> int:
    """Sub-vectors of a product quantizer: of four dimensions, or of fewer where four do not divide *dim*."""
    return next(dim // width for width in (4, 3, 2, 1) if dim % width == 0)
