"""The laws of an index, kept by FAISS on the CPU and by cards over it."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.allowed import Allowed
from index.errors import GpuFailed
from index.faiss_cpu import FaissIndex
from index.gpu.device import Gpus
from index.gpu.resident import Resident
from index.gpu.served import MOST, GpuIndex, served_by
from index.kinds.spec import Spec
from index.vectors import VectorIndex
from tests.index.gpu.cards import Copies, in_memory, machine_s
from tests.index.kinds.test_spec import SPECS
from tests.index.published import unit_vectors
from tests.index.recalled import recall_at_k

DIM, ROWS = 16, 2_000
VECTORS = unit_vectors(ROWS, DIM)
QUERIES = unit_vectors(20, DIM, seed=1)
GENEROUS = {"efSearch": 512, "nprobe": 8, "candidates": 1024}
KINDS = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.bits}")
ENGINES: dict[str, Callable[[], Gpus | None]] = {
    "cpu": lambda: None,
    "card in memory": lambda: in_memory(1),
    "cards in memory": lambda: in_memory(3),
    "machine's": machine_s,
}

Served = Callable[[Spec], VectorIndex]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Spec], FaissIndex]:
    """An index of the vectors, saved and loaded, of any kind."""
    folder = tmp_path_factory.mktemp("hosts")

    @cache
    def made(spec: Spec) -> FaissIndex:
        file = folder / f"{spec.kind}-{spec.bits}"
        FaissIndex.build([VECTORS], ROWS, DIM, spec, vectors=file).save(file.with_suffix(".faiss"))
        return FaissIndex.load(file.with_suffix(".faiss"), file if spec.refines else None)

    return made


@pytest.fixture(scope="module", params=ENGINES)
def served(request: pytest.FixtureRequest, host: Callable[[Spec], FaissIndex]) -> Served:
    """The same, searched by each engine."""
    gpus = ENGINES[request.param]()
    return cache(lambda spec: served_by(host(spec), gpus))


@KINDS
def test_an_index_says_what_it_is(spec: Spec, served: Served, tmp_path: Path) -> None:
    """N, d and the factory are those of what is on disk, and saving writes that."""
    index = served(spec)
    index.save(tmp_path / "saved")

    assert (ROWS, DIM) == (index.rows, index.dim)
    assert index.factory.startswith(FaissIndex.load(tmp_path / "saved").factory)


@KINDS
def test_rows_find_themselves(spec: Spec, served: Served) -> None:
    """The best row for a stored vector is its own, with the cosine 1."""
    scores, positions = served(spec).search(VECTORS[:200], 1, GENEROUS)

    assert np.array_equal(np.arange(200), positions[:, 0])
    assert np.allclose(1, scores, atol=2e-3)


@KINDS
def test_nearly_all_is_found(spec: Spec, served: Served) -> None:
    """Asked for generously, 95 of 100 of the true neighbours are found, with their true scores, falling."""
    index = served(spec)

    for k in (1, 100):
        scores, positions = index.search(QUERIES, k, GENEROUS)
        assert (np.float32, np.int64, (20, k)) == (scores.dtype, positions.dtype, positions.shape)
        assert recall_at_k(positions, index.exact(QUERIES, k)[1]) >= 0.95
        assert (np.diff(scores) <= 0).all()
        assert np.allclose(scores, np.take_along_axis(QUERIES @ VECTORS.T, positions, 1), atol=2e-3)


@KINDS
def test_only_what_is_allowed_is_found(spec: Spec, served: Served) -> None:
    """Whatever share is allowed, as many as there are are found, nearly all of the nearest, and nothing else."""
    index = served(spec)

    for share in (0, 0.002, 0.05, 0.5, 0.95, 1):
        mask = np.random.default_rng(3).random(ROWS) < share
        exact = index.exact(QUERIES, 10, allowed=Allowed(mask))[1]
        found = index.search(QUERIES, 10, GENEROUS, allowed=Allowed(mask))[1]
        for positions in (exact, found):
            assert mask[positions[positions >= 0]].all()
            assert ((positions >= 0).sum(axis=1) == min(10, mask.sum())).all()
        assert recall_at_k(found, exact) >= 0.95


@KINDS
def test_a_filter_that_allows_everything_is_none(spec: Spec, served: Served) -> None:
    """The answer is the unfiltered one, also where the lists that are looked at have too few."""
    index, setting = served(spec), {"efSearch": 32, "nprobe": 1, "candidates": 16}

    free = index.search(QUERIES, 400, setting)
    masked = index.search(QUERIES, 400, setting, allowed=Allowed(np.ones(ROWS, np.bool_)))

    assert np.array_equal(free[1], masked[1])
    assert np.array_equal(free[0], masked[0])


@KINDS
def test_a_filter_of_what_is_far_is_kept_too(spec: Spec, served: Served) -> None:
    """Where nothing that is near may be found, what is far is: the worst case of asking for more and dropping."""
    index = served(spec)
    mask = (VECTORS @ QUERIES[0]) < np.quantile(VECTORS @ QUERIES[0], 0.4)

    _, positions = index.search(QUERIES[:1], 10, GENEROUS, allowed=Allowed(mask))

    assert mask[positions].all()
    assert recall_at_k(positions, index.exact(QUERIES[:1], 10, allowed=Allowed(mask))[1]) >= 0.9


@KINDS
def test_parameters_are_of_one_call(spec: Spec, served: Served) -> None:
    """A search with other parameters in between changes nothing for the next."""
    index = served(spec)
    before = index.search(QUERIES, 10, {"efSearch": 16, "nprobe": 1, "candidates": 16})[1]
    index.search(QUERIES, 10, GENEROUS)

    assert np.array_equal(before, index.search(QUERIES, 10, {"efSearch": 16, "nprobe": 1, "candidates": 16})[1])


@KINDS
def test_threads_get_the_same_answers(spec: Spec, served: Served) -> None:
    """Threads that search with other depths and filters at once get what each gets alone."""
    index, some = served(spec), Allowed(np.arange(ROWS) % 50 > 0)
    asked = [(place % 5 + 1, some if place % 2 else None) for place in range(12)]
    alone = [index.search(QUERIES, k, GENEROUS, allowed=allowed)[1].tolist() for k, allowed in asked]

    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda each: index.search(QUERIES, each[0], GENEROUS, allowed=each[1])[1].tolist(), asked)

    assert alone == list(found)


@KINDS
def test_more_than_there_is_is_not_found(spec: Spec, served: Served) -> None:
    """A search for more than N finds each row once, and -1 behind them; no query has no answer."""
    index = served(spec)

    scores, positions = index.search(QUERIES[:2], ROWS + 5, {**GENEROUS, "efSearch": 4096})

    assert all(len({*row} - {-1}) == len(row) - row.count(-1) >= 0.9 * ROWS for row in positions.tolist())
    assert (positions[:, -5:] == -1).all()
    assert (np.diff(scores) <= 0).all()
    assert (0, 3) == index.search(QUERIES[:0], 3, GENEROUS)[1].shape


@given(st.integers(1, 300), st.integers(1, 40), st.floats(0, 1), st.integers(1, 4), st.integers(0, 2**16))
def test_cards_answer_what_a_scan_answers(rows: int, k: int, share: float, cards: int, seed: int) -> None:
    """For any rows, filter and number of cards: the scores are those of the k best that are allowed."""
    vectors, queries = unit_vectors(rows, seed=seed), unit_vectors(3, seed=seed + 1)
    mask = np.random.default_rng(seed).random(rows) < share
    index = served_by(FaissIndex.build([vectors], rows, 8), _CARDS[cards])

    scores, positions = index.search(queries, k, {}, allowed=Allowed(mask))

    expected = np.sort(queries @ vectors[mask].T, axis=1)[:, ::-1][:, :k]
    assert np.allclose(expected, scores[:, : expected.shape[1]], atol=1e-5)
    assert mask[positions[positions >= 0]].all()
    assert ((positions >= 0).sum(axis=1) == expected.shape[1]).all()


_CARDS = {count: in_memory(count) for count in range(1, 5)}


def test_of_equals_the_smaller_position_is_first() -> None:
    """Rows of one vector come in their order, whichever card has them."""
    vectors = np.repeat(VECTORS[:1], 7, axis=0)
    index = served_by(FaissIndex.build([vectors], 7, DIM), _CARDS[3])

    assert [0, 1, 2, 3, 4, 5, 6] == index.search(VECTORS[:1], 7, {})[1][0].tolist()


class Watched(Resident):
    """Tells how many positions it was asked for."""

    depths: list[int]

    def asked(self, queries: np.ndarray, depth: int, nprobe: int) -> "Future[np.ndarray]":
        self.depths.append(depth)
        return super().asked(queries, depth, nprobe)


class Failing(Resident):
    """A copy on a card that broke."""

    def _searched(self, queries: np.ndarray, depth: int, nprobe: int) -> np.ndarray:
        raise RuntimeError("CUDA error 700")


@pytest.mark.parametrize(
    ("kind", "k", "share", "by_cards"),
    [
        ("flat", 10, 1.0, True),
        ("flat", 10, 0.05, True),
        ("flat", 10, 0.002, False),  # 10,000 would have to be asked for
        ("flat", MOST // 2, 1.0, True),
        ("flat", MOST // 2 + 1, 1.0, False),
        ("ivf-pq", 10, 0.95, True),
        ("ivf-pq", 10, 0.5, False),  # the CPU knows which lists have some
    ],
)
def test_who_answers(kind: str, k: int, share: float, by_cards: bool, host: Callable[[Spec], FaissIndex]) -> None:
    """Cards are asked where they can give enough of what is allowed, else the CPU answers at once."""
    spec = next(each for each in SPECS if each.kind == kind)
    resident = Watched.copied(in_memory(), host(spec).vectors, host(spec).centroids)
    assert isinstance(resident, Watched)
    resident.depths = []
    mask = np.zeros(ROWS, np.bool_)
    mask[: round(share * ROWS)] = True

    GpuIndex(host(spec), in_memory(), resident).search(QUERIES, k, GENEROUS, allowed=Allowed(mask))

    assert int(by_cards) == len(resident.depths)
    assert all(2 * k / share <= depth <= MOST for depth in resident.depths)


def test_lists_look_farther_for_rows_that_died(host: Callable[[Spec], FaissIndex]) -> None:
    """With a tenth of the rows dead, as much is found of the others as was of all."""
    index = served_by(host(Spec("ivf-rabitq", lists=8)), in_memory())
    allowed = Allowed(np.random.default_rng(5).random(ROWS) < 0.92)

    recalls = [
        recall_at_k(
            index.search(QUERIES, 10, {"nprobe": 4}, allowed=each)[1], index.exact(QUERIES, 10, allowed=each)[1]
        )
        for each in (None, allowed)
    ]

    assert recalls[1] > recalls[0] - 0.03


def test_an_empty_index_needs_no_card() -> None:
    """Nothing is copied of nothing, nor without cards."""
    empty, copies = FaissIndex.build([], 0, DIM), Copies()

    assert empty is served_by(empty, in_memory(1, copies))
    assert empty is served_by(empty, None)
    assert [] == copies.numbers


def test_what_does_not_fit_is_served_from_the_cpu(host: Callable[[Spec], FaissIndex]) -> None:
    """A card that is full is gone on without, or, where it is required, an error that says what to do."""
    copies = Copies()
    copies.full = True

    assert host(SPECS[0]) is served_by(host(SPECS[0]), in_memory(1, copies))
    with pytest.raises(GpuFailed, match="free its memory"):
        served_by(host(SPECS[0]), Gpus(1, copies, required=True))


def test_a_card_that_fails_while_serving_is_gone_on_without(host: Callable[[Spec], FaissIndex]) -> None:
    """The request is answered by the CPU, as it would have been."""
    plain = host(SPECS[0])
    resident = Failing.copied(in_memory(), plain.vectors, plain.centroids)
    assert resident is not None

    found = GpuIndex(plain, in_memory(), resident).search(QUERIES, 5, {})

    assert np.array_equal(plain.search(QUERIES, 5, {})[1], found[1])
