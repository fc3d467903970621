"""Cards and their owner."""

import gc
import re
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest

from index.errors import CollectionError, GpuFailed, GpuMissing
from index.gpu import device
from index.gpu.device import DEVICES, Gpus, gpus_for
from index.kinds.swig import SwigIndex, swig
from tests.index.gpu.cards import FULL, Copies, in_memory, machine_s
from tests.index.published import unit_vectors


@pytest.fixture
def asked_anew() -> Iterator[None]:
    """What is there is looked for again, before and after."""
    gpus_for.cache_clear()
    yield
    gpus_for.cache_clear()


def test_the_cpu_is_what_it_is() -> None:
    """Asked for the CPU, no card is used, whatever is there."""
    assert ("auto", "cpu", "gpu") == DEVICES
    assert gpus_for("cpu") is None


def test_a_card_that_is_not_there_is_asked_for_in_vain(monkeypatch: pytest.MonkeyPatch, asked_anew: None) -> None:
    """ "gpu" without one is an error that says what to do; "auto" goes on with the CPU."""
    monkeypatch.setattr(device, "_count", lambda: 0)

    assert gpus_for("auto") is None
    with pytest.raises(GpuMissing, match=r"install the extra `gpu`|nvidia-smi"):
        gpus_for("gpu")


def test_a_gpu_build_without_a_driver_says_so(monkeypatch: pytest.MonkeyPatch, asked_anew: None) -> None:
    """Where FAISS could use a card and finds none, the driver is what to look at, not the installation."""
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0, raising=False)

    with pytest.raises(GpuMissing, match="nvidia-smi"):
        gpus_for("gpu")


def test_a_process_has_one_owner(monkeypatch: pytest.MonkeyPatch, asked_anew: None) -> None:
    """Whoever asks gets the same cards: all that is done with them is done by one thread."""
    monkeypatch.setattr(device, "_count", lambda: 2)
    monkeypatch.setattr(device, "_found", lambda count, *, required: Gpus(count, Copies(), required=required))

    first = gpus_for("auto")

    assert first is not None
    assert first is gpus_for("auto")
    assert 2 == first.count
    assert gpus_for("cpu") is None


def test_work_is_done_by_one_thread_in_order() -> None:
    """What many threads ask for, one does, each thing after what its asker asked before."""
    gpus, seen, threads = in_memory(), list[tuple[int, int]](), set[str]()

    def note(who: int, what: int) -> None:
        threads.add(threading.current_thread().name)
        seen.append((who, what))

    def ask(who: int) -> None:
        for what in range(20):
            gpus.later(lambda what=what: note(who, what))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    gpus.later(lambda: None).result()

    assert 1 == len(threads)
    for who in range(4):
        assert list(range(20)) == [what for each, what in seen if each == who]


@pytest.mark.parametrize("error", [RuntimeError(FULL), MemoryError()])
def test_a_card_that_fails_is_gone_on_without(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Where cards were not insisted on, their failure is logged, once, without FAISS's C++, and the CPU can do it."""

    def fail() -> int:
        raise error

    gpus = in_memory()

    assert [None, None, None] == [gpus.attempt(fail) for _ in range(3)]

    assert 1 == len(caplog.records)
    assert re.search(r"the CPU does: (alloc fail|MemoryError)", caplog.text)
    assert "faiss::" not in caplog.text


def test_a_card_that_is_required_must_do_it() -> None:
    """Where they were, it is an error that tells why, and what to do."""

    def fail() -> int:
        raise RuntimeError(FULL)

    with pytest.raises(GpuFailed, match=r"out of memory.*go on with the CPU") as caught:
        Gpus(1, Copies(), required=True).attempt(fail)

    assert isinstance(caught.value, CollectionError)


def test_other_errors_are_not_taken_for_a_card_s() -> None:
    """A mistake of ours is not hidden by the CPU."""
    with pytest.raises(KeyError):
        in_memory().attempt(lambda: {}["nothing"])


def test_what_failed_work_held_is_freed_by_the_owner() -> None:
    """The error keeps nothing of a card alive: it would be freed by the thread that happens to drop it."""
    freed: list[str] = []

    class Held:
        pass

    def fail() -> int:
        held = Held()
        weakref.finalize(held, lambda: freed.append(threading.current_thread().name))
        raise RuntimeError(FULL)

    future = in_memory().later(fail)

    error = future.exception()
    assert isinstance(error, RuntimeError)
    gc.collect()
    assert ["gpu_0"] == freed


def test_the_machine_s_cards_hold_and_find() -> None:
    """On a real card: a copy finds what the original finds, and comes back as it was (`index_gpu_to_cpu`)."""
    gpus, vectors = machine_s(), unit_vectors(500, 16)
    flat = faiss.IndexFlatIP(16)
    flat.add(vectors)

    def found() -> tuple[np.ndarray, SwigIndex]:
        copied = gpus.copy(gpus.count - 1, flat)
        back = swig.index_gpu_to_cpu(copied)
        return copied.search(vectors[:50], 3)[1], back

    positions, back = gpus.later(found).result()

    assert np.array_equal(flat.search(vectors[:50], 3)[1], positions)
    assert np.array_equal(vectors, back.reconstruct_n(0, 500))


def test_the_machine_s_cards_draw_graphs() -> None:
    """On a real card with cuVS: the graph has twice the links on its lowest level, and walks to what is near."""
    gpus, vectors = machine_s(), unit_vectors(4_000, 16)
    if gpus.graph is None:
        pytest.skip("this FAISS has no cuVS: faiss-gpu-cuvs has")
    draw = gpus.graph

    graph = gpus.later(lambda: draw(vectors, 16)).result()

    assert (4_000, 32, 16) == (graph.ntotal, graph.hnsw.nb_neighbors(0), graph.hnsw.nb_neighbors(1))
    found = graph.search(vectors[:100], 1, params=swig.SearchParametersHNSW(efSearch=64))[1]
    assert np.mean(found[:, 0] == np.arange(100)) > 0.95
