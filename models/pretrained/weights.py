"""Weights from a file: all of a model's, or none."""

import pickle
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from models.errors import ExportError
from models.pretrained.quiet import quiet

SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")

# a count of positions that older releases of transformers kept among the weights
_POSITIONS = "text.transformer.embeddings.position_ids"
# the text tower's parts, which stand under `text.` in models with a tower of their own
_TEXT_PARTS = ("text_projection", "positional_embedding", "token_embedding", "transformer", "ln_final")


def expect_file(path: Path) -> None:
    """See that there is a file.

    Raises:
        ExportError: there is none.
    """
    if not path.is_file():
        raise ExportError(f"there is no checkpoint {path}: give the path of a .pt or .safetensors file")


def load_weights(model: nn.Module, path: Path) -> None:
    """Load weights from a file, all of them or none.

    Raises:
        ExportError: *path* is no checkpoint, or one of another architecture.
    """
    state = _as_model_has_them(_read(path), model.state_dict())
    own = model.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    if missing or extra or wrong:
        raise ExportError(
            f"{path} holds weights of another architecture: {len(missing)} missing {missing[:3]}, {len(extra)} unknown "
            f"{extra[:3]}, {len(wrong)} of another shape {wrong[:3]}: give the architecture it was trained with"
        )
    model.load_state_dict(state)


def _read(path: Path) -> dict[str, torch.Tensor]:
    expect_file(path)
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            with quiet():
                # weights_only: a checkpoint is data and runs no code
                state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, safetensors.SafetensorError) as error:
        raise ExportError(
            f"{path} is not a checkpoint of weights ({type(error).__name__}): give a .pt or .safetensors with a state "
            "dictionary; a TorchScript archive is none"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ExportError(f"{path} is not a checkpoint of weights: it holds other things than tensors by name")
    return state


def _as_model_has_them(state: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights under the names and in the shapes that today's open_clip gives them."""
    state = {key.removeprefix("module."): value for key, value in state.items()}
    if "text.positional_embedding" in own and "positional_embedding" in state:
        state = {f"text.{key}" if key.startswith(_TEXT_PARTS) else key: value for key, value in state.items()}
    if _POSITIONS not in own:
        state.pop(_POSITIONS, None)
    for key in ("logit_scale", "logit_bias"):
        # one number, with or without an axis
        if key in own and key in state and own[key].numel() == state[key].numel():
            state[key] = state[key].reshape(own[key].shape)
    return state
