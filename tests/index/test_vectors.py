"""The contract of an index."""

import inspect

from index.faiss_cpu import FaissIndex
from index.vectors import VectorIndex


def test_faiss_keeps_the_contract() -> None:
    """Every member of the protocol is there, with the same parameters."""
    for name, member in inspect.getmembers(VectorIndex, inspect.isfunction):
        if not name.startswith("_"):
            theirs = inspect.signature(getattr(FaissIndex, name))
            assert list(inspect.signature(member).parameters) == list(theirs.parameters)
    for name in ("rows", "dim", "factory"):
        assert isinstance(getattr(FaissIndex, name), property)
