"""The graphics cards that FAISS finds: the one place that calls what only its GPU builds have.

Everything else of `index.gpu` is written against `Gpus` and runs without a card too, with copies that stay in memory; its
tests do that. The names used here were compared with faiss-gpu-cu12 1.14.1 and faiss-gpu-cuvs 1.15.1 (docs/gpu.md).
"""

import logging
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Literal, TypeVar, get_args

import numpy as np

from index.errors import GpuFailed, GpuMissing
from index.kinds.swig import SwigIndex, SwigObject, swig

Device = Literal["auto", "cpu", "gpu"]
DEVICES: tuple[Device, ...] = get_args(Device)

# makes an empty index of the same kind on card so-and-so
Copy = Callable[[int, SwigIndex], SwigIndex]
# makes a graph over vectors (N, d) float32 with so many links: an IndexHNSWCagra in memory
Graph = Callable[[np.ndarray, int], SwigIndex]
T = TypeVar("T")

# what FAISS's messages begin with: a C++ function, a file and a line
_SIGNATURE = re.compile(r"^Error in .* at \S+:\d+: (Error: '.*' failed: )?", re.DOTALL)

_log = logging.getLogger("vilem.index")


class Gpus:
    """Cards, and the one thread that uses them: FAISS's are not safe to share between threads.

    Args:
        count: how many.
        copy: called in that thread alone.
        graph: the same; None where FAISS has no cuVS.
        required: there is no going on without them.
    """

    def __init__(self, count: int, copy: Copy, graph: Graph | None = None, *, required: bool = False) -> None:
        self.count = count
        self.copy = copy
        self.graph = graph
        self._required = required
        self._told: set[str] = set()
        self._owner = ThreadPoolExecutor(1, thread_name_prefix="gpu")

    def later(self, work: Callable[[], T]) -> "Future[T]":
        """Let the owner do *work*, after what it was given before."""
        return self._owner.submit(_lone, work)

    def attempt(self, work: Callable[[], T]) -> T | None:
        """What the owner's *work* gives; None where a card fails, because its memory is full, say: the CPU can do it.

        Raises:
            GpuFailed: it failed, and cards are required.
        """
        return self.waited(self.later(work))

    def waited(self, future: "Future[T]") -> T | None:
        """As `attempt`, of what the owner was given already."""
        try:
            return future.result()
        except (RuntimeError, MemoryError) as error:
            detail = _SIGNATURE.sub("", str(error)) or type(error).__name__
            if self._required:
                raise GpuFailed(f"the GPU cannot do it ({detail}): free its memory, or go on with the CPU") from error
            if detail not in self._told:
                # once: it may be the same with every batch and every request
                self._told.add(detail)
                _log.warning("the GPU cannot do it, the CPU does: %s", detail)
            return None


def _lone(work: Callable[[], T]) -> T:
    """What *work* gives. Its error comes without the frames it passed: what they hold of a card is freed here, by the owner."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        raise error.with_traceback(None) from None


@cache
def gpus_for(device: Device) -> Gpus | None:
    """The cards that are to be used, with the same owner whenever a process asks; None: the CPU.

    Args:
        device: "auto" takes cards where there are some, and goes on without them when they fail; "gpu" does not.

    Raises:
        GpuMissing: "gpu", and FAISS finds none.
    """
    count = 0 if device == "cpu" else _count()
    if device == "gpu" and not count:
        raise GpuMissing(_why_none())
    return _found(count, required=device == "gpu") if count else None


def _count() -> int:
    return swig.get_num_gpus() if hasattr(swig, "StandardGpuResources") else 0


def _why_none() -> str:
    if hasattr(swig, "StandardGpuResources"):
        return f"FAISS {swig.__version__} finds no GPU: see whether nvidia-smi lists one, or go on with the CPU"
    return (
        "this FAISS was built for CPUs: install the extra `gpu` in place of `cpu` (docs/gpu.md), or go on with the CPU"
    )


def _found(count: int, *, required: bool) -> Gpus:
    # one for each card, for all indexes: each sets a part of the card's memory aside
    resources: list[SwigObject] = [swig.StandardGpuResources() for _ in range(count)]

    def graph(vectors: np.ndarray, links: int) -> SwigIndex:
        config = swig.GpuIndexCagraConfig()
        # a graph's lowest level has twice the links of the others
        config.graph_degree, config.intermediate_graph_degree = 2 * links, 4 * links
        config.guarantee_connectivity = True
        built = swig.GpuIndexCagra(resources[0], vectors.shape[1], swig.METRIC_INNER_PRODUCT, config)
        # keeps a pointer to the vectors, which the caller keeps
        built.train(vectors)
        copied = swig.IndexHNSWCagra(vectors.shape[1], links, swig.METRIC_INNER_PRODUCT)
        built.copyTo(copied)
        return copied

    def copy(number: int, index: SwigIndex) -> SwigIndex:
        return swig.index_cpu_to_gpu(resources[number], number, index)

    return Gpus(count, copy, graph if hasattr(swig, "GpuIndexCagra") else None, required=required)
