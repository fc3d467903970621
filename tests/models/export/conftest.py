"""Small models of every kind, each made once; exporting is what takes the time."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from models.bundle import Bundle
from models.export.from_open_clip import export_open_clip
from tests.models.export.folders import CONFIGS, WEIGHTS, make_folder, reference_model


@dataclass(frozen=True)
class Exported:
    """A folder as hubs keep them, open_clip's model of it, and the bundle made of it."""

    kind: str
    folder: Path
    # torch says that whatever a module holds is a tensor or a module, and open_clip's hold methods and settings
    model: Any
    bundle: Bundle


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind, made when it is first asked for."""
    root = tmp_path_factory.mktemp("hub")

    @functools.cache
    def folder(kind: str) -> Path:
        return make_folder(kind, root / kind)

    return folder


@pytest.fixture(scope="session", params=list(CONFIGS))
def exported(
    request: pytest.FixtureRequest, hub: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """One kind, exported in all precisions."""
    folder = hub(request.param)
    output = tmp_path_factory.mktemp("bundles") / request.param
    export_open_clip(f"local-dir:{folder}", str(folder / WEIGHTS), output, variants=("fp16", "int8"))
    return Exported(request.param, folder, reference_model(folder), Bundle.open(output))
