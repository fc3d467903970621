"""The contract of an index."""

import inspect

import numpy as np

from index.faiss_cpu import FaissIndex
from index.vectors import VectorIndex, unit


def test_faiss_keeps_the_contract() -> None:
    """Every member of the protocol is there, with the same parameters."""
    for name, member in inspect.getmembers(VectorIndex, inspect.isfunction):
        if not name.startswith("_"):
            theirs = inspect.signature(getattr(FaissIndex, name))
            assert list(inspect.signature(member).parameters) == list(theirs.parameters)
    for name in ("rows", "dim", "factory"):
        assert isinstance(getattr(FaissIndex, name), property)


def test_unit_vectors_are_unit() -> None:
    """Any vector is scaled to norm 1, alone or among others; zeros stay zeros; half precision loses its thousandth."""
    vectors = np.array([[3, 4, 0], [0, 0, 0], [1e-20, 0, 0], [1e18, 1e18, 0]], np.float32)

    found = unit(vectors)

    assert np.allclose([1, 0, 1, 1], np.linalg.norm(found, axis=1), atol=1e-6)
    assert np.allclose(found[0], unit(vectors[0]))
    assert np.float32 == unit(vectors.astype(np.float64)).dtype


def test_a_knob_is_what_a_search_takes() -> None:
    """Every knob's name, at its least and at its most, is a parameter that a search accepts."""
    index = FaissIndex.build([np.eye(8, dtype=np.float32)], 20_000, 8)

    assert ("efSearch",) == tuple(knob.name for knob in index.knobs)
    for knob in index.knobs:
        for value in (knob.least, knob.most):
            assert 0 == index.search(np.eye(8, dtype=np.float32)[:1], 1, {knob.name: value})[1][0, 0]
