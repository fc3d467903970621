"""FAISS as SWIG made it: its stubs miss half of the attributes and all keyword arguments, so it is untyped here, in one place."""

from typing import Any

import faiss

swig: Any = faiss
# any index, and any other object, of FAISS
SwigIndex = Any
SwigObject = Any
