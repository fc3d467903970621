"""FAISS behind `VectorIndex`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import faiss_cpu
from index.allowed import Allowed
from index.errors import SnapshotInvalid
from index.faiss_cpu import EXACT_BELOW_ROWS, HNSW_LINKS, FaissIndex, use_threads
from index.kinds.spec import Spec
from tests.index.kinds.test_spec import SPECS
from tests.index.published import unit_vectors
from tests.index.recalled import recall_at_k


@pytest.fixture(scope="module")
def graph() -> FaissIndex:
    """A graph over as many vectors as first need one."""
    vectors = unit_vectors(EXACT_BELOW_ROWS, 16)
    return FaissIndex.build(np.array_split(vectors, 7), len(vectors), 16)


@given(st.integers(1, 200), st.integers(1, 20), st.integers(0, 2**16))
def test_flat_search_is_an_argsort(rows: int, k: int, seed: int) -> None:
    """Below the threshold a search gives the greatest inner products, in order."""
    vectors, query = unit_vectors(rows, seed=seed), unit_vectors(1, seed=seed + 1)
    index = FaissIndex.build([vectors], rows, 8)

    scores, positions = index.search(query, min(k, rows), {})

    expected = np.sort(query @ vectors.T)[0, ::-1][: min(k, rows)]
    assert np.allclose(expected, scores[0], atol=1e-6)
    assert np.allclose(scores[0], (vectors[positions[0]] @ query[0]), atol=1e-6)


@given(st.integers(1, 200), st.integers(1, 250), st.floats(0, 1), st.integers(0, 2**16))
def test_nothing_forbidden_is_found(rows: int, k: int, share: float, seed: int) -> None:
    """An exact search among the allowed is an exact search of them alone, padded with -1."""
    vectors, query = unit_vectors(rows, seed=seed), unit_vectors(2, seed=seed + 1)
    allowed = np.random.default_rng(seed).random(rows) < share
    index = FaissIndex.build([vectors], rows, 8)

    scores, positions = index.search(query, k, {}, allowed=Allowed(allowed))

    found = positions >= 0
    assert allowed[positions[found]].all()
    assert (found.sum(axis=1) == min(k, allowed.sum())).all()
    expected = np.sort(query @ vectors[allowed].T, axis=1)[:, ::-1][:, :k]
    assert np.allclose(expected, scores[:, : expected.shape[1]], atol=1e-6)


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.1, 0.5, 0.99])
def test_a_filtered_graph_finds_nearly_all_that_is_allowed(graph: FaissIndex, share: float) -> None:
    """Whatever share is allowed, at least 95 of 100 of its nearest are found, and nothing else."""
    queries = unit_vectors(50, 16, seed=9)
    allowed = np.random.default_rng(1).random(graph.rows) < share

    _, positions = graph.search(queries, 10, {"efSearch": 64}, allowed=Allowed(allowed))

    found = positions >= 0
    assert allowed[positions[found]].all()
    assert (found.sum(axis=1) == min(10, allowed.sum())).all()
    assert recall_at_k(positions, graph.exact(queries, 10, allowed=Allowed(allowed))[1]) >= 0.95


def test_with_everything_allowed_the_answer_is_the_unfiltered_one(graph: FaissIndex) -> None:
    """A mask that forbids nothing changes nothing."""
    queries = unit_vectors(20, 16, seed=9)

    free = graph.search(queries, 10, {"efSearch": 64})
    masked = graph.search(queries, 10, {"efSearch": 64}, allowed=Allowed(np.ones(graph.rows, np.bool_)))

    assert np.array_equal(free[0], masked[0])
    assert np.array_equal(free[1], masked[1])


def test_the_kind_follows_the_rows(graph: FaissIndex) -> None:
    """Exact below 20,000 rows, a graph from there on."""
    assert "Flat" == FaissIndex.build([unit_vectors(10)], 10, 8).factory
    assert graph.factory.startswith("HNSW")
    assert (EXACT_BELOW_ROWS, 16) == (graph.rows, graph.dim)


def test_a_graph_finds_nearly_all(graph: FaissIndex) -> None:
    """With a wide search the graph finds at least 95 of 100 true neighbours, and a wider one no fewer."""
    queries = unit_vectors(100, 16, seed=9)
    _, exact = graph.exact(queries, 10)
    recalls = [recall_at_k(graph.search(queries, 10, {"efSearch": width})[1], exact) for width in (16, 256)]

    assert recalls[1] >= 0.95
    assert recalls[0] <= recalls[1] + 0.01


def test_parameters_are_of_one_call(graph: FaissIndex) -> None:
    """A search with other parameters in between changes nothing for the next."""
    queries = unit_vectors(50, 16, seed=4)
    before = graph.search(queries, 10, {"efSearch": 32})[1]
    graph.search(queries, 10, {"efSearch": 512})

    assert np.array_equal(before, graph.search(queries, 10, {"efSearch": 32})[1])


def test_threads_get_the_same_answers(graph: FaissIndex) -> None:
    """Eight threads that search one index at once all get what one gets alone."""
    queries = unit_vectors(64, 16, seed=5)
    alone = graph.search(queries, 10, {"efSearch": 64})[1]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda _: graph.search(queries, 10, {"efSearch": 64})[1], range(16)))

    assert all(np.array_equal(alone, each) for each in together)


def test_what_is_saved_is_loaded(graph: FaissIndex, tmp_path: Path) -> None:
    """A saved index, mapped into memory, answers as before."""
    graph.save(tmp_path / "graph.faiss")
    loaded = FaissIndex.load(tmp_path / "graph.faiss")
    queries = unit_vectors(20, 16, seed=6)

    assert (graph.rows, graph.dim, graph.factory) == (loaded.rows, loaded.dim, loaded.factory)
    for mine, theirs in zip(graph.search(queries, 5, {}), loaded.search(queries, 5, {}), strict=True):
        assert np.array_equal(mine, theirs)
    assert np.array_equal(graph.exact(queries, 5)[1], loaded.exact(queries, 5)[1])


@pytest.mark.parametrize("content", [b"", b"not an index", b"\0" * 4096])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """A file that FAISS did not write is an error that names it."""
    path = tmp_path / "x.faiss"
    path.write_bytes(content)

    with pytest.raises(SnapshotInvalid, match=r"x\.faiss"):
        FaissIndex.load(path)


def test_the_threshold_is_the_issue_s() -> None:
    """Exact search is kept below 20,000 rows."""
    assert 20_000 == faiss_cpu.EXACT_BELOW_ROWS


def test_threads_are_the_calling_threads_own() -> None:
    """A thread that was given one core uses one; another one is not touched by it."""
    before = faiss.omp_get_max_threads()

    def given_one() -> int:
        use_threads(1)
        return faiss.omp_get_max_threads()

    with ThreadPoolExecutor(1) as pool:
        assert 1 == pool.submit(given_one).result()
    assert before == faiss.omp_get_max_threads()


def test_a_graph_costs_half_the_memory(graph: FaissIndex, tmp_path: Path) -> None:
    """Its vectors are of half precision, and say so; links come on top."""
    graph.save(tmp_path / "graph")

    links = 4 * 2 * HNSW_LINKS
    assert "HNSW32,SQfp16" == graph.factory
    assert (tmp_path / "graph").stat().st_size < graph.rows * (2 * graph.dim + 1.2 * links)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.bits}")
def test_every_kind_finds_its_own_and_comes_back(spec: Spec, tmp_path: Path) -> None:
    """Built, saved and mapped: rows find themselves with a score of 1, and both answer alike."""
    vectors = unit_vectors(2_000, dim=16)
    file = tmp_path / "v"
    built = FaissIndex.build(np.array_split(vectors, 3), 2_000, 16, spec, training=vectors, vectors=file)
    built.save(tmp_path / "i")
    generous = {knob.name: knob.most for knob in built.knobs}

    loaded = FaissIndex.load(tmp_path / "i", file if spec.refines else None)

    scores, positions = loaded.search(vectors[:100], 1, generous)
    assert (2_000, 16, built.factory) == (loaded.rows, loaded.dim, loaded.factory)
    assert np.array_equal(np.arange(100), positions[:, 0])
    assert np.allclose(1, scores, atol=2e-3)
    assert np.array_equal(built.search(vectors, 5, {})[1], loaded.search(vectors, 5, {})[1])


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.bits}")
def test_every_kind_keeps_to_what_is_allowed(spec: Spec, tmp_path: Path) -> None:
    """Of any kind: nothing forbidden is found, and with everything allowed the answer is the unfiltered one."""
    vectors, queries = unit_vectors(2_000, dim=16), unit_vectors(30, dim=16, seed=1)
    index = FaissIndex.build([vectors], 2_000, 16, spec, vectors=tmp_path / "v")
    free = index.search(queries, 10, {})

    for share in (0.0, 0.01, 0.3, 0.8):
        allowed = np.random.default_rng(2).random(2_000) < share
        some = Allowed(allowed)
        for _, positions in (index.search(queries, 10, {}, allowed=some), index.exact(queries, 10, allowed=some)):
            assert allowed[positions[positions >= 0]].all()
            assert ((positions >= 0).sum(axis=1) == min(10, allowed.sum())).all()
    whole = index.search(queries, 10, {}, allowed=Allowed(np.ones(2_000, np.bool_)))
    assert np.array_equal(free[1], whole[1])
    assert np.array_equal(free[0], whole[0])


def test_candidates_without_a_file_are_refused() -> None:
    """A kind that compares candidates again says what it lacks."""
    with pytest.raises(ValueError, match="needs a file"):
        FaissIndex.build([unit_vectors(10)], 10, 8, Spec("ivf-pq", lists=2))


def test_another_index_s_vectors_are_refused(tmp_path: Path) -> None:
    """An index opens with its own vectors' file only."""
    index = FaissIndex.build([unit_vectors(500)], 500, 8, Spec("ivf-rabitq", lists=2), vectors=tmp_path / "v")
    index.save(tmp_path / "i.faiss")
    (tmp_path / "v").write_bytes(b"x" * 10)

    with pytest.raises(SnapshotInvalid, match="500 x 8 vectors"):
        FaissIndex.load(tmp_path / "i.faiss", tmp_path / "v")


def test_graphs_of_full_precision_still_open(tmp_path: Path) -> None:
    """Snapshots that an earlier version published are served as they are."""
    vectors = unit_vectors(500, dim=16)
    older = faiss.IndexHNSWFlat(16, HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
    older.add(vectors)
    faiss.write_index(older, str(tmp_path / "older"))

    opened = FaissIndex.load(tmp_path / "older")

    _, positions = opened.search(vectors[:5], 1, {"efSearch": 64})
    assert "HNSW32,Flat" == opened.factory
    assert [0, 1, 2, 3, 4] == positions[:, 0].tolist()


@pytest.mark.parametrize("kind", ["ivf-rabitq", "ivf-pq"])
@pytest.mark.parametrize("share", [1.0, 0.9])
def test_as_many_are_found_as_are_wanted(tmp_path: Path, kind: str, share: float) -> None:
    """However few lists are scanned: whoever pages through all rows takes fewer hits than wanted for the end."""
    vectors = unit_vectors(3_000, 32)
    index = FaissIndex.build([vectors], 3_000, 32, Spec(kind, lists=64), vectors=tmp_path / "halves")  # pyright: ignore[reportArgumentType]
    allowed = Allowed(np.random.default_rng(0).random(3_000) < share)

    for k in (10, 300, 3_000):
        scores, positions = index.search(vectors[:4], k, {"nprobe": 1, "candidates": 16}, allowed=allowed)
        there = min(k, allowed.count)
        assert (positions[:, :there] >= 0).all()
        assert (positions[:, there:] < 0).all()
        assert [there] * 4 == [len({*row.tolist()} - {-1}) for row in positions]
        assert (np.diff(scores[:, :there]) <= 0).all()


def test_deep_pages_find_most(tmp_path: Path) -> None:
    """An index whose effort is tuned for ten hits finds nine of ten of a thousand too, where rows lie in lists as pictures do."""
    # of few dimensions in truth
    axes = unit_vectors(5, 32)
    vectors, queries = (unit_vectors(count, 5, seed=seed) @ axes for count, seed in ((20_000, 0), (8, 1)))
    index = FaissIndex.build([vectors], 20_000, 32, Spec("ivf-rabitq", lists=256), vectors=tmp_path / "halves")
    parameters = {"nprobe": 16, "candidates": 64}

    for k in (10, 1_000):
        _, found = index.search(queries, k, parameters)
        _, truth = index.exact(queries, k)
        assert np.mean([len({*a} & {*b}) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]) > 0.9 * k
