"""Weights from a file."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from models.errors import ExportError
from models.pretrained.weights import load_weights
from tests.models.export.towers import small_clip, small_custom


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

    load_weights(model, path)

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
        load_weights(model, tmp_path / "other.pt")

    assert torch.equal(before, model.state_dict()["logit_scale"])


@pytest.mark.parametrize("name", ["broken.pt", "broken.safetensors", "absent.pt"])
def test_a_broken_file_is_refused(name: str, tmp_path: Path) -> None:
    """What is no checkpoint is an error that names the file."""
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"not weights")

    with pytest.raises(ExportError, match=name):
        load_weights(small_clip(), tmp_path / name)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {"step": 3}}, {"state_dict": None}])
def test_a_file_of_other_things_is_refused(content: object, tmp_path: Path) -> None:
    """A file that torch reads, but that holds no tensors by name, is no checkpoint."""
    torch.save(content, tmp_path / "other.pt")

    with pytest.raises(ExportError, match="not a checkpoint"):
        load_weights(small_clip(), tmp_path / "other.pt")


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    """A program with weights inside, as OpenAI's files are, is told from a state dictionary and never run."""
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "openai.pt")

    with pytest.raises(ExportError, match=r"openai\.pt is not a checkpoint.*TorchScript"):
        load_weights(small_clip(), tmp_path / "openai.pt")


def test_old_names_and_shapes_are_understood(tmp_path: Path) -> None:
    """Text weights without `text.`, a scale with an axis and a forgotten count of positions load as open_clip loads them."""
    trained = {key: value + 1 for key, value in small_custom(proj_bias=False).state_dict().items()}
    old = {key.removeprefix("text."): value for key, value in trained.items()}
    old["logit_scale"] = old["logit_scale"].reshape(1)
    old["text.transformer.embeddings.position_ids"] = torch.arange(4)
    torch.save(old, tmp_path / "old.pt")
    model = small_custom(proj_bias=False)

    load_weights(model, tmp_path / "old.pt")

    for key, value in model.state_dict().items():
        assert torch.equal(trained[key], value)
