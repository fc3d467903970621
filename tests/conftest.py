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
    derandomize=os.environ.get("TEST_EXAMPLES") == "same",
)
settings.load_profile("shared")

# Files that take longest, half a minute and more on two cores, are begun first: none of them is what the run waits for at its end.
LONG = (
    "faults/test_train_kill.py", "models/training/test_compute.py", "models/export/test_from_open_clip.py",
    "index/engines/test_ray_job.py", "e2e/test_page.py", "models/training/test_train_command.py",
    "models/export/test_proofreader.py", "models/export/test_proofreader_towers.py", "vilem/test_index_engine.py",
    "vilem/test_model.py", "vilem/test_distill_text.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of `LONG` first, in its order; all others stay as they are."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


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
