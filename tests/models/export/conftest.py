"""Small models of every kind, each made once in a run, whatever process asks; exporting is what takes the time."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from models.bundle import Bundle
from models.export.from_open_clip import export_open_clip
from tests.models.export.folders import CONFIG, CONFIGS, WEIGHTS, make_folder, name_map_vit, reference_model
from tests.support.once import made_once

# exported from `NAME.json` and a `.pt` of one's own; the others from their folders
OWN = "quickgelu"


@dataclass(frozen=True)
class Exported:
    """A folder as hubs keep them, open_clip's model of it, and the bundle made of it."""

    kind: str
    folder: Path
    # torch says that whatever a module holds is a tensor or a module, and open_clip's hold methods and settings
    model: Any
    bundle: Bundle


@pytest.fixture(scope="session")
def hub(run_folder: Path) -> Callable[[str], Path]:
    """The folder of a kind, made when it is first asked for."""
    root = run_folder / "hub"
    # another process may have made the folder
    name_map_vit()

    def folder(kind: str) -> Path:
        return made_once(root / kind, lambda path: make_folder(kind, path))

    return folder


@pytest.fixture(scope="session")
def exported_kind(hub: Callable[[str], Path], run_folder: Path) -> Callable[[str], Path]:
    """The bundle of a kind in all precisions, made when it is first asked for."""
    root = run_folder / "exported"

    def make(kind: str, output: Path) -> None:
        folder = hub(kind)
        architecture, weights = f"local-dir:{folder}", folder / WEIGHTS
        if kind == OWN:
            architecture, weights = _own(folder, root)
        export_open_clip(architecture, str(weights), output, variants=("fp16", "int8"))

    return lambda kind: made_once(root / kind, lambda output: make(kind, output))


def _own(folder: Path, beside: Path) -> tuple[str, Path]:
    """The folder's model as `NAME.json` and a `.pt` as open_clip's training writes it."""
    architecture, weights = beside / "own.json", beside / "own.pt"
    architecture.write_text(json.dumps(json.loads((folder / CONFIG).read_text())["model_cfg"]))
    state = reference_model(folder).state_dict()
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, weights)
    return str(architecture), weights


@pytest.fixture(scope="session", params=list(CONFIGS))
def exported(
    request: pytest.FixtureRequest, hub: Callable[[str], Path], exported_kind: Callable[[str], Path]
) -> Exported:
    """One kind, exported in all precisions."""
    folder = hub(request.param)
    return Exported(request.param, folder, reference_model(folder), Bundle.open(exported_kind(request.param)))
