"""Any open_clip model, by name and weights."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from models.errors import ExportError
from models.export import from_open_clip
from models.export.from_open_clip import export_open_clip
from tests.models.export.towers import small_clip


def test_an_unknown_architecture_is_told(tmp_path: Path) -> None:
    """A name that open_clip does not know is an error, and nothing is written."""
    with pytest.raises(ExportError, match="ViT-Z"):
        export_open_clip("ViT-Z", "none", tmp_path / "bundle")

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_come_from_a_file(suffix: str, tmp_path: Path) -> None:
    """A checkpoint's weights become the model's, also with the prefix that distributed training adds."""
    path = tmp_path / f"weights{suffix}"
    trained = {f"module.{key}": value + 1 for key, value in small_clip().state_dict().items()}
    if suffix == ".pt":
        torch.save({"state_dict": trained}, path)
    else:
        safetensors.torch.save_file(trained, path)
    model = small_clip()

    from_open_clip._load(model, path)

    for key, value in model.state_dict().items():
        assert torch.equal(trained[f"module.{key}"], value)


@pytest.mark.parametrize("damage", ["missing", "unknown", "shape"])
def test_other_weights_are_refused(damage: str, tmp_path: Path) -> None:
    """A checkpoint with a weight missing, unknown or of another shape is refused, and the model is left alone."""
    model = small_clip()
    state = model.state_dict()
    before = state["logit_scale"].clone()
    if damage == "missing":
        state = {key: value for key, value in state.items() if key != "text_projection"}
    elif damage == "unknown":
        state = {**state, "extra": torch.zeros(1)}
    else:
        state = {**state, "text_projection": torch.zeros(1, 1)}
    torch.save({**state, "logit_scale": before + 1}, tmp_path / "other.pt")

    with pytest.raises(ExportError, match="another architecture"):
        from_open_clip._load(model, tmp_path / "other.pt")

    assert torch.equal(before, model.state_dict()["logit_scale"])


@pytest.mark.parametrize("name", ["broken.pt", "broken.safetensors", "absent.pt"])
def test_a_broken_file_is_refused(name: str, tmp_path: Path) -> None:
    """What is no checkpoint is an error that names the file."""
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"not weights")

    with pytest.raises(ExportError, match=name):
        from_open_clip._load(small_clip(), tmp_path / name)
