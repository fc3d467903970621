"""Vectors on cards, and their queue."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest

from index.errors import GpuFailed
from index.gpu import resident as module
from index.gpu.device import Gpus
from index.gpu.resident import Resident
from index.kinds.swig import SwigIndex
from tests.index.gpu.cards import Copies, in_memory, machine_s
from tests.index.published import unit_vectors

DIM, ROWS = 16, 500
VECTORS = unit_vectors(ROWS, DIM)
QUERIES = unit_vectors(24, DIM, seed=1)


def stored(vectors: np.ndarray = VECTORS) -> faiss.Index:
    """An index in memory."""
    flat = faiss.IndexFlatIP(DIM)
    flat.add(vectors)
    return flat


def copied(gpus: Gpus, vectors: np.ndarray = VECTORS, centroids: np.ndarray | None = None) -> Resident:
    """A copy that fits."""
    made = Resident.copied(gpus, stored(vectors), centroids)
    assert made is not None
    return made


@pytest.fixture(params=[1, 3, "machine's"])
def gpus(request: pytest.FixtureRequest) -> Gpus:
    """Cards, one or several."""
    return machine_s() if request.param == "machine's" else in_memory(request.param)


@pytest.mark.parametrize("centroids", [None, VECTORS[:8]])
def test_positions_are_those_of_the_whole(
    gpus: Gpus, centroids: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the rows are spread, and in however many pieces they were copied, each is found under its own position."""
    monkeypatch.setattr(module, "_COPIED_TOGETHER", 70)

    found = copied(gpus, centroids=centroids).asked(VECTORS, 1, 0 if centroids is None else 8).result()

    assert np.arange(ROWS).tolist() == found[:, 0].tolist()
    assert np.int64 == found.dtype


def test_more_than_there_is_is_not_there(gpus: Gpus) -> None:
    """Asked for more than N, each row is named once, and -1 stands behind."""
    found = copied(gpus, VECTORS[:5]).asked(QUERIES, 8, 0).result()

    assert (len(QUERIES), 8) == found.shape
    assert all([0, 1, 2, 3, 4] == sorted(row[:5]) and [-1, -1, -1] == row[5:] for row in found.tolist())


def test_more_cards_than_rows_are_not_used() -> None:
    """No card is left without a row: an index of two rows has two."""
    copies = Copies()

    resident = copied(in_memory(4, copies), VECTORS[:2])

    assert [0, 1] == copies.numbers
    assert [[0, 1], [1, 0]] == resident.asked(VECTORS[:2], 2, 0).result().tolist()


def test_fewer_lists_find_less(gpus: Gpus) -> None:
    """nprobe is how many lists are looked at: all of them find everything, one finds some."""
    resident = copied(gpus, centroids=VECTORS[:8])
    exact = (QUERIES @ VECTORS.T).argsort(axis=1)[:, ::-1][:, :5]

    shares = [np.mean(np.sort(resident.asked(QUERIES, 5, lists).result()) == np.sort(exact)) for lists in (1, 8)]

    assert shares[0] < 0.8
    assert shares[1] > 0.97


class Watched(Resident):
    """Tells of each search how many queries it had, and how many positions each wanted."""

    sizes: list[tuple[int, int]]

    def _searched(self, queries: np.ndarray, depth: int, nprobe: int) -> np.ndarray:
        self.sizes.append((len(queries), depth))
        return super()._searched(queries, depth, nprobe)


def test_what_waits_together_is_one_search() -> None:
    """Calls that come while the owner is busy are one search for each depth; each gets its own answers."""
    gpus, go = in_memory(), threading.Event()
    resident = Watched.copied(gpus, stored(), None)
    assert isinstance(resident, Watched)
    resident.sizes = []

    busy = gpus.later(go.wait)
    asked = [resident.asked(QUERIES[place : place + 2], 4 if place % 4 else 8, 0) for place in range(0, 24, 2)]
    go.set()
    busy.result()

    answers = [each.result() for each in asked]
    assert [(12, 8), (12, 4)] == resident.sizes
    for place, answer in zip(range(0, 24, 2), answers, strict=True):
        alone = resident.asked(QUERIES[place : place + 2], answer.shape[1], 0).result()
        assert np.array_equal(alone, answer)


def test_threads_get_their_own_answers(gpus: Gpus) -> None:
    """Many threads that ask at once get what each would alone."""
    resident = copied(gpus)
    alone = [resident.asked(QUERIES[place : place + 1], 6, 0).result().tolist() for place in range(24)]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda place: resident.asked(QUERIES[place : place + 1], 6, 0).result(), range(24)))

    assert alone == [each.tolist() for each in together]


def test_a_search_that_fails_fails_for_its_own() -> None:
    """An error goes to those whose search it was; the next is answered."""
    resident = copied(in_memory())

    broken = resident.asked(QUERIES[:, :3], 4, 0)

    with pytest.raises(AssertionError):
        broken.result()
    assert (24, 4) == resident.asked(QUERIES, 4, 0).result().shape


def test_what_does_not_fit_stays_where_it_is() -> None:
    """A card that is too small is none, or, where one is required, an error."""
    copies = Copies()
    copies.full = True

    assert Resident.copied(in_memory(1, copies), stored(), None) is None
    with pytest.raises(GpuFailed, match="out of memory"):
        Resident.copied(Gpus(1, copies, required=True), stored(), None)


def test_a_copy_is_freed_by_the_owner() -> None:
    """When nobody needs it any more, the thread that made it lets go of it."""
    freed: list[str] = []

    class Watched(faiss.IndexScalarQuantizer):
        def __del__(self) -> None:
            freed.append(threading.current_thread().name)

    def copy(number: int, index: SwigIndex) -> SwigIndex:
        return Watched(index.d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)

    resident = copied(Gpus(1, copy))
    assert (24, 2) == resident.asked(QUERIES, 2, 0).result().shape
    del resident
    gc.collect()

    until = time.monotonic() + 5
    while not freed and time.monotonic() < until:
        time.sleep(0.001)
    assert ["gpu_0"] == freed
