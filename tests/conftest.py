"""Fixtures that every test may ask for."""

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.tiny_bundle import make_tiny_bundle

# The machines are shared: how long an example took says nothing about the code. Continuous integration tries the same examples
# each time, so that what it says is about the change; everybody else tries others.
settings.register_profile(
    "shared",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("VILEM_TEST_EXAMPLES") == "same",
)
settings.load_profile("shared")


@pytest.fixture(scope="session", autouse=True)
def operators_read_once() -> Iterator[None]:
    """torch reads the ONNX forms of all its operators anew for each graph, which is a third of what exporting a small one takes."""
    if "torch" not in sys.modules:
        yield
        return
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patched:
        # nothing is added to it: the exporter is given no operators of ours
        patched.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
        yield


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real, sealed, 16-dimensional ONNX bundle that opens in milliseconds."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests share, for `tests.support.once.made_once`."""
    own = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each process a folder inside the run's
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def proof_bundle() -> Path:
    """A sealed bundle with a proofreader that knows four colours, not to be changed: see `tests.support.proof_bundle`."""
    # torch is loaded for those who ask
    from tests.support.proof_bundle import kept_proof_bundle

    return kept_proof_bundle()
