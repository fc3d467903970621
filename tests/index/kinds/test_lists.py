"""Which lists a filtered search looks at."""

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest

from index import allowed as allowed_module
from index.allowed import Allowed
from index.faiss_cpu import FaissIndex
from index.kinds.effort import Scan
from index.kinds.lists import Lists
from index.kinds.spec import Spec
from tests.index.published import unit_vectors
from tests.index.recalled import recall_at_k

ROWS, DIM, LISTS = 24_000, 16, 96


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Forty subjects, and rows around each."""
    rng = np.random.default_rng(0)
    subjects = rng.normal(size=(40, DIM))
    near = subjects[rng.integers(40, size=ROWS)] + 0.7 * rng.normal(size=(ROWS, DIM))
    return (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def built(vectors: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> FaissIndex:
    """Lists over them."""
    spec = Spec("ivf-rabitq", lists=LISTS, bits=2)
    return FaissIndex.build(
        np.array_split(vectors, 5), ROWS, DIM, spec, training=vectors[::5], vectors=tmp_path_factory.mktemp("v") / "v"
    )


def inner(built: FaissIndex) -> faiss.IndexIVF:
    """FAISS's own index."""
    return built._index


def test_every_row_lies_in_its_list(built: FaissIndex) -> None:
    """The list of a row is the one FAISS finds it in, and all rows are in one."""
    lists, index = Lists(inner(built)), inner(built)
    for number in range(0, LISTS, 7):
        size = index.invlists.list_size(number)
        ids = faiss.rev_swig_ptr(index.invlists.get_ids(number), size) if size else np.zeros(0, np.int64)
        assert sorted(ids.tolist()) == np.flatnonzero(lists.of_rows == number).tolist()
    assert ROWS == lists.sizes.sum()


def masks(vectors: np.ndarray, share: float) -> dict[str, np.ndarray]:
    """Rows at random, rows around a point, and rows far from it."""
    rng = np.random.default_rng(7)
    near = vectors @ vectors[11]
    return {
        "random": rng.random(len(vectors)) < share,
        "near": near >= np.quantile(near, 1 - share),
        "far": near <= np.quantile(near, share),
    }


@pytest.mark.parametrize("kind", ["random", "near", "far"])
@pytest.mark.parametrize("share", [0.5, 0.2, 0.1, 0.05])
def test_filtered_lists_find_nearly_all_that_is_allowed(
    kind: str, share: float, built: FaissIndex, vectors: np.ndarray
) -> None:
    """Whatever is allowed, and wherever it lies, nothing else is found, and nearly as much of it as without a filter."""
    queries, parameters = unit_vectors(200, DIM, seed=3) + 2 * vectors[:200], {"nprobe": 10, "candidates": 100}
    free = recall_at_k(built.search(queries, 10, parameters)[1], built.exact(queries, 10)[1])
    allowed = masks(vectors, share)[kind]

    _, found = built.search(queries, 10, parameters, allowed=Allowed(allowed))

    assert allowed[found[found >= 0]].all()
    assert recall_at_k(found, built.exact(queries, 10, allowed=Allowed(allowed))[1]) >= min(free, 0.97) - 0.02


def test_a_crowded_filter_needs_few_lists(built: FaissIndex, vectors: np.ndarray) -> None:
    """Of rows that lie together only the lists that have some are scanned."""
    lists = Lists(inner(built))
    allowed = masks(vectors, 0.02)["near"]
    occupied = len(set(lists.of_rows[allowed].tolist()))

    chosen = lists.parameters_among(LISTS, Allowed(allowed))

    assert occupied == chosen.nprobe < LISTS


def test_a_sample_of_a_large_filter_is_enough(
    built: FaissIndex, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scattered filter that is only sampled leaves no list out: what was drawn once says how much was not drawn."""
    monkeypatch.setattr(allowed_module, "SAMPLE", 200)
    allowed = masks(vectors, 0.3)["random"]

    chosen = Lists(inner(built)).parameters_among(10, Allowed(allowed))

    assert chosen.quantizer_params is None
    assert 10 < chosen.nprobe < LISTS


@pytest.mark.parametrize("kind", ["near", "far"])
def test_what_a_sample_of_a_crowded_filter_leaves_open_is_counted(
    kind: str, built: FaissIndex, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that lie together far from a query are found though their sample leaves some of their lists out."""
    monkeypatch.setattr(allowed_module, "SAMPLE", 100)
    allowed = Allowed(masks(vectors, 0.2)[kind])
    lists, queries = Lists(inner(built)), unit_vectors(200, DIM, seed=3)
    occupied = set(lists.of_rows[allowed.mask].tolist())
    assert len(set(lists.of_rows[allowed.sample].tolist())) < len(occupied)

    chosen = lists.parameters_among(LISTS, allowed)
    found = built.search(queries, 10, {"nprobe": 12, "candidates": 200}, allowed=allowed)[1]

    assert len(occupied) == chosen.nprobe
    assert recall_at_k(found, built.exact(queries, 10, allowed=allowed)[1]) >= 0.9


@pytest.mark.parametrize("kind", ["random", "near", "far"])
def test_a_few_dead_cost_next_to_nothing(kind: str, built: FaissIndex, vectors: np.ndarray) -> None:
    """Where nearly all is allowed, as many lists are scanned as ever, none is left out, and as much is found."""
    parameters, queries = {"nprobe": 10, "candidates": 100}, unit_vectors(200, DIM, seed=3) + 2 * vectors[:200]
    free = recall_at_k(built.search(queries, 10, parameters)[1], built.exact(queries, 10)[1])
    alive = Allowed(masks(vectors, 0.98)[kind])

    chosen = Lists(inner(built)).parameters_among(10, alive)
    _, found = built.search(queries, 10, parameters, allowed=alive)

    assert 10 <= chosen.nprobe <= 11
    assert chosen.quantizer_params is None
    assert alive.mask[found].all()
    assert recall_at_k(found, built.exact(queries, 10, allowed=alive)[1]) >= free - 0.01


def test_where_to_look_is_worked_out_once(built: FaissIndex, vectors: np.ndarray) -> None:
    """Searches with one filter share FAISS's parameters, of other numbers of lists they have others; then they are forgotten."""
    lists = Lists(inner(built))
    some, others = (Allowed(masks(vectors, share)["random"]) for share in (0.3, 0.2))

    first = lists.parameters_among(10, some)

    assert first is lists.parameters_among(10, some)
    assert first.nprobe < lists.parameters_among(20, some).nprobe
    assert first.nprobe < lists.parameters_among(10, others).nprobe
    assert 2 == len(lists._made)
    del some, others
    gc.collect()
    assert 0 == len(lists._made)


def test_threads_that_share_parameters_find_the_same(built: FaissIndex, vectors: np.ndarray) -> None:
    """Eight threads that search under one filter at once get what one gets alone."""
    parameters, queries = {"nprobe": 10, "candidates": 100}, vectors[:40]
    mask = masks(vectors, 0.3)["near"]
    alone = built.search(queries, 10, parameters, allowed=Allowed(mask))[1]

    shared = Allowed(mask)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: built.search(queries, 10, parameters, allowed=shared)[1], range(24)))

    assert all(np.array_equal(alone, each) for each in found)


def test_few_are_compared_exactly(built: FaissIndex) -> None:
    """Where fewer are allowed than lists would be scanned for, every one of them is compared."""
    scan = Scan(Lists(inner(built)))
    allowed = np.arange(ROWS) < 100

    assert scan.chosen(10, {"nprobe": 8, "candidates": 64}, Allowed(allowed)) is None
    assert scan.chosen(10, {"nprobe": 8, "candidates": 64}, Allowed(~allowed)) is not None


def test_lists_are_read_with_or_without_a_file(built: FaissIndex, tmp_path: Path) -> None:
    """A saved index has the same lists."""
    built.save(tmp_path / "i")

    assert np.array_equal(Lists(faiss.read_index(str(tmp_path / "i"))).of_rows, Lists(inner(built)).of_rows)
