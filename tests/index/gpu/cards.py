"""Cards for tests: the machine's, where it has some, and others that keep their copies in memory.

The latter do all that cards do by the same calls of FAISS; only `index.gpu.device._found`, which names what FAISS's GPU builds
alone have, is not run by them.
"""

import threading
from collections.abc import Callable

import faiss
import numpy as np
import pytest

from index.gpu.device import Gpus, gpus_for
from index.kinds.swig import SwigIndex, swig

FULL = (
    "Error in virtual void* faiss::gpu::StandardGpuResourcesImpl::allocMemory(const faiss::gpu::AllocRequest&) at "
    "/project/faiss/gpu/StandardGpuResources.cpp:530: Error: 'err == cudaSuccess' failed: alloc fail type FlatData dev 0 "
    "size 20971520000 bytes (cudaMalloc error out of memory [2])"
)


def graph(vectors: np.ndarray, links: int) -> SwigIndex:
    """What CAGRA's copy in memory is, made without a card."""
    made = swig.IndexHNSWCagra(vectors.shape[1], links, faiss.METRIC_INNER_PRODUCT)
    made.add(vectors)
    return made


class Copies:
    """Makes copies in memory; tells how many there were and which threads wanted them; fails when it is told to."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.threads: set[str] = set()
        self.full = False

    def __call__(self, number: int, index: SwigIndex) -> SwigIndex:
        """A copy on card *number*."""
        self.threads.add(threading.current_thread().name)
        if self.full:
            raise RuntimeError(FULL)
        self.numbers.append(number)
        return faiss.clone_index(index)


def in_memory(count: int = 1, copies: Callable[[int, SwigIndex], SwigIndex] | None = None) -> Gpus:
    """So many cards that are none."""
    return Gpus(count, copies or Copies(), graph)


def machine_s() -> Gpus:
    """The machine's cards; without any the test is skipped."""
    found = gpus_for("auto")
    if found is None:
        pytest.skip("this machine has no GPU, or its FAISS is built for CPUs: cards in memory stand in for it")
    return found
