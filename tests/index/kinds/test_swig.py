"""FAISS, untyped."""

import faiss

from index.kinds.swig import swig


def test_it_is_faiss_itself() -> None:
    """The name without types is the module: what is made through it is FAISS's own."""
    assert isinstance(swig.SearchParametersHNSW(efSearch=3), faiss.SearchParameters)
