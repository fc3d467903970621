"""Learning and filling with cards."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from index.faiss_cpu import FaissIndex
from index.gpu import build
from index.gpu.build import adder, graph_of, learn
from index.gpu.device import Gpus
from index.kinds.spec import Spec
from index.kinds.swig import swig
from tests.index.gpu.cards import Copies, graph, in_memory, machine_s
from tests.index.kinds.test_spec import SPECS
from tests.index.published import unit_vectors
from tests.index.recalled import recall_at_k

DIM, ROWS = 16, 2_000
VECTORS = unit_vectors(ROWS, DIM)
QUERIES = unit_vectors(40, DIM, seed=1)
LISTS = [spec for spec in SPECS if spec.is_inverted]


@pytest.fixture(params=["in memory", "machine's"])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Gpus:
    """Cards, which draw graphs of so few rows too."""
    monkeypatch.setattr(build, "EXACT_BELOW_ROWS", 1_000)
    return in_memory() if request.param == "in memory" else machine_s()


def built(spec: Spec, folder: Path, gpus: Gpus | None) -> FaissIndex:
    """An index of the vectors, which come in three batches."""
    file = folder / f"{spec.kind}-{gpus is None}"
    return FaissIndex.build(np.array_split(VECTORS, 3), ROWS, DIM, spec, training=VECTORS, vectors=file, gpus=gpus)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.kind}-{spec.bits}")
def test_what_cards_build_is_served_without_them(spec: Spec, gpus: Gpus, tmp_path: Path) -> None:
    """Of any kind: it has the class and the rows that the CPU's has, opens as a file, and finds about as much."""
    plain, helped = built(spec, tmp_path, None), built(spec, tmp_path, gpus)
    helped.save(tmp_path / "saved")
    loaded = FaissIndex.load(tmp_path / "saved", tmp_path / f"{spec.kind}-False" if spec.refines else None)

    exact = plain.exact(QUERIES, 10)[1]
    setting = {"nprobe": 3, "efSearch": 32, "candidates": 100}
    recalls = [recall_at_k(each.search(QUERIES, 10, setting)[1], exact) for each in (plain, loaded)]
    assert (plain.factory, ROWS, DIM) == (loaded.factory, loaded.rows, loaded.dim)
    assert recalls[1] > recalls[0] - 0.05
    generous = {knob.name: knob.most for knob in loaded.knobs}
    assert np.array_equal(np.arange(100), loaded.search(VECTORS[:100], 1, generous)[1][:, 0])


@pytest.mark.parametrize("spec", LISTS, ids=lambda spec: f"{spec.kind}-{spec.bits}")
def test_a_row_lies_in_its_nearest_list(spec: Spec, gpus: Gpus) -> None:
    """Whoever assigns the rows, each is in the list of its nearest centroid."""
    index = spec.make(DIM)
    learn(index, VECTORS, gpus)
    add = adder(index, gpus)
    for batch in np.array_split(VECTORS, 4):
        add(np.ascontiguousarray(batch))

    lists = index.invlists
    of_rows = np.zeros(ROWS, np.int64)
    for number in range(index.nlist):
        of_rows[faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number))] = number
    centroids = index.quantizer.reconstruct_n(0, index.nlist)
    assert np.mean(of_rows == (VECTORS @ centroids.T).argmax(axis=1)) > 0.995
    assert ROWS == index.ntotal


def test_centroids_are_of_unit_norm(gpus: Gpus) -> None:
    """They are learnt as the CPU learns them: on the sphere, as many as there are lists, and FAISS keeps no card's address."""
    index = Spec("ivf-rabitq", lists=8).make(DIM)

    learn(index, VECTORS, gpus)

    centroids = index.quantizer.reconstruct_n(0, 8)
    assert index.is_trained
    assert index.clustering_index is None
    assert np.allclose(1, np.linalg.norm(centroids, axis=1), atol=1e-3)


def test_cards_do_what_the_table_says(tmp_path: Path) -> None:
    """Centroids are learnt on the first card, once; a RaBitQ index asks it for each batch too, a PQ index does not."""
    wanted: dict[str, int] = {}
    for spec in SPECS:
        copies = Copies()
        built(spec, tmp_path, in_memory(2, copies))
        wanted[f"{spec.kind}-{spec.bits}"] = len(copies.numbers)
        assert {*copies.numbers} <= {0}
        assert copies.threads <= {"gpu_0"}

    none = dict.fromkeys(("flat-1", "hnsw-fp16-1", "hnsw-sq8-1"), 0)
    assert {**none, "ivf-rabitq-1": 4, "ivf-rabitq-2": 4, "ivf-pq-1": 1} == wanted


@pytest.mark.parametrize("spec", LISTS, ids=lambda spec: f"{spec.kind}-{spec.bits}")
def test_a_full_card_changes_nothing(spec: Spec, tmp_path: Path) -> None:
    """Where cards fail from the first or in between, the CPU does the rest: no row is lost or there twice."""
    copies = Copies()
    index = spec.make(DIM)
    copies.full = True
    learn(index, VECTORS, in_memory(1, copies))
    copies.full = False
    add = adder(index, in_memory(1, copies))
    for place, batch in enumerate(np.array_split(VECTORS, 4)):
        copies.full = place >= 2
        add(np.ascontiguousarray(batch))

    stored = [faiss.rev_swig_ptr(index.invlists.get_ids(n), index.invlists.list_size(n)) for n in range(index.nlist)]
    assert list(range(ROWS)) == sorted(np.concatenate(stored).tolist())
    index.nprobe = index.nlist
    assert recall_at_k(index.search(VECTORS[:50], 100)[1], np.arange(50)[:, None]) > 0.95


@pytest.mark.parametrize("rows", [0, 3, 999])
def test_few_rows_get_their_graph_from_the_cpu(rows: int, gpus: Gpus) -> None:
    """Of 3 or 4 rows FAISS's copy of CAGRA never ends: below what a graph is for, no card is asked."""
    asked: list[int] = []
    watched = Gpus(1, Copies(), lambda vectors, links: asked.append(len(vectors)))

    index = graph_of([VECTORS[:rows]] if rows else [], Spec("hnsw-fp16", links=8), DIM, watched)

    assert [] == asked
    assert rows == index.ntotal


def test_a_graph_of_cards_answers_alone_as_in_a_batch(gpus: Gpus, tmp_path: Path) -> None:
    """It begins at the top of its levels, not at random: an answer does not depend on the queries beside it."""
    index = built(Spec("hnsw-fp16", links=8), tmp_path, gpus)
    setting = {"efSearch": 16}

    together = index.search(QUERIES, 10, setting)[1]

    assert np.array_equal(together, np.concatenate([index.search(each[None], 10, setting)[1] for each in QUERIES]))


def test_a_graph_that_cannot_be_drawn_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where FAISS has no cuVS, or the card fails, the CPU builds the graph of the same rows."""
    monkeypatch.setattr(build, "EXACT_BELOW_ROWS", 1_000)

    def full(vectors: np.ndarray, links: int) -> faiss.Index:
        raise RuntimeError("out of memory")

    for draw in (None, full):
        index = graph_of([VECTORS], Spec("hnsw-fp16", links=8), DIM, Gpus(1, Copies(), draw))
        found = index.search(QUERIES, 10, params=swig.SearchParametersHNSW(efSearch=64))[1]
        assert ROWS == index.ntotal
        assert recall_at_k(found, (QUERIES @ VECTORS.T).argsort(axis=1)[:, ::-1][:, :10]) > 0.9


def test_rows_of_a_graph_are_halves_of_the_vectors(gpus: Gpus, tmp_path: Path) -> None:
    """What CAGRA kept in single precision is stored in half precision, nothing of the graph it came from is needed."""
    index = built(Spec("hnsw-fp16", links=8), tmp_path, gpus)

    assert isinstance(index.vectors, faiss.IndexScalarQuantizer)
    assert np.array_equal(VECTORS.astype(np.float16), index.vectors.reconstruct_n(0, ROWS))
    assert graph(VECTORS[:10], 8).get_numeric_type() == faiss.Float32
