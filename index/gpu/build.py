"""Learning and filling an index with the help of cards. What comes of it is an index like any other, without them.

| kind | on a card |
| --- | --- |
| ivf-rabitq | the centroids are learnt, and each row's nearest is found |
| ivf-pq | the centroids are learnt. Its rows are added on the CPU: given rows with their lists (`add_core`), FAISS 1.15 mixes up their packed codes and says nothing |
| hnsw-fp16 | the graph is built (CAGRA, Ootomo et al. 2023, arXiv:2308.15136), where FAISS has cuVS |
| flat, hnsw-sq8 | nothing |

CAGRA's graph has one level. FAISS can copy it as it is (`base_level_only`, the only way for half precision): a walk then
begins at rows drawn at random for a batch, and the answer to a query depends on those beside it (of 20,000 rows at
efSearch 16, 60 of 100 found rows were the same alone and in a batch of 50). So it is built of single precision, FAISS adds
the upper levels on the CPU, for one row in *links*, and the rows are then kept in half precision.
"""

from collections.abc import Callable, Iterable

import numpy as np

from index.gpu.device import Gpus, Graph
from index.kinds.spec import EXACT_BELOW_ROWS, Spec
from index.kinds.swig import SwigIndex, swig

Batches = Iterable[np.ndarray]


def graph_of(batches: Batches, spec: Spec, dim: int, gpus: Gpus) -> SwigIndex:
    """The index of kind hnsw-fp16 over batches (n, d) float32; all vectors are held in memory."""
    vectors = np.ascontiguousarray(np.concatenate(list(batches) or [np.zeros((0, dim))]), np.float32)
    draw = gpus.graph
    # of 3 or 4 rows FAISS's copy never ends (issue 4260), and few are quickly done on a CPU
    if draw is None or len(vectors) < EXACT_BELOW_ROWS:
        return _walked(vectors, spec, dim)
    made = gpus.attempt(lambda: _drawn(vectors, spec, dim, draw))
    return _walked(vectors, spec, dim) if made is None else made


def learn(index: SwigIndex, training: np.ndarray, gpus: Gpus) -> None:
    """Train an index of lists, on vectors (n, d) float32."""

    def with_gpu() -> bool:
        near = gpus.copy(0, swig.IndexFlatIP(index.d))
        index.clustering_index = near
        try:
            index.train(training)
        finally:
            # FAISS keeps no more than its address
            index.clustering_index = None
        return True

    if gpus.attempt(with_gpu) is None:
        index.train(training)


def adder(index: SwigIndex, gpus: Gpus) -> Callable[[np.ndarray], None]:
    """What adds a batch (n, d) float32 to a trained index of lists."""
    if not isinstance(index, swig.IndexIVFRaBitQ):
        return index.add
    centroids = swig.IndexFlatIP(index.d)
    centroids.add(index.quantizer.reconstruct_n(0, index.nlist))

    def nearest(batch: np.ndarray) -> np.ndarray:
        # copied for each batch, in a hundredth of the time that it takes to search: so nothing of it outlives the owner's work
        return gpus.copy(0, centroids).search(batch, 1)[1]

    def add(batch: np.ndarray) -> None:
        lists = gpus.attempt(lambda: nearest(batch))
        if lists is None:
            index.add(batch)
        else:
            index.add_core(len(batch), swig.swig_ptr(batch), None, swig.swig_ptr(lists))

    return add


def _drawn(vectors: np.ndarray, spec: Spec, dim: int, draw: Graph) -> SwigIndex:
    graph = draw(vectors, spec.links)
    made = spec.make(dim)
    made.hnsw = graph.hnsw
    swig.downcast_index(made.storage).add(vectors)
    made.ntotal = len(vectors)
    return made


def _walked(vectors: np.ndarray, spec: Spec, dim: int) -> SwigIndex:
    made = spec.make(dim)
    made.add(vectors)
    return made
