"""Fixtures that every test may ask for."""

from pathlib import Path

import pytest

from tests.support.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real, sealed, 16-dimensional ONNX bundle that opens in milliseconds."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
