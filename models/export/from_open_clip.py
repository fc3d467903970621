"""Any open_clip model, by architecture and weights, becomes a bundle."""

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import safetensors
import safetensors.torch
import torch
from torch import nn

from models.errors import ExportError
from models.export.graphs import is_causal
from models.export.seal import Precision, export_bundle
from models.export.tokenizers import clip_tokenizer_json
from models.manifest import BundleManifest, Preprocess, Provenance, TextSpec
from models.training.open_clip_import import import_open_clip

_CLEANING = {"lower": "lower", "whitespace": "whitespace", "canonicalize": "canonicalize"}


def export_open_clip(
    architecture: str,
    pretrained: str,
    output: Path,
    *,
    variants: Sequence[Precision] = ("fp32",),
    name: str | None = None,
) -> BundleManifest:
    """Export an open_clip model.

    Args:
        architecture: open_clip's name of it.
        pretrained: a tag of open_clip's, a `.pt` or `.safetensors` file, or "none" for random weights.
        output: the bundle's folder, which must not exist.
        variants: precisions beside fp32.
        name: of the bundle; the folder's by default.

    Raises:
        ExportError: no such architecture or weights, weights of another architecture, a hub that does not answer, or
            graphs that differ from the model.
    """
    open_clip = import_open_clip()
    if architecture not in open_clip.list_models():
        raise ExportError(
            f"open_clip has no architecture {architecture!r}: `python -m open_clip.list` is not needed, "
            f"some are {', '.join(open_clip.list_models()[:5])}"
        )
    model, source = _model(open_clip, architecture, pretrained)
    preprocess = _preprocess(model)
    tokenizer = open_clip.get_tokenizer(architecture)
    text, tokenizer_json = _text(open_clip, model, tokenizer)
    provenance = Provenance(architecture=architecture, pretrained=source)
    return export_bundle(
        model,
        tokenizer_json,
        name=name or output.name,
        output=output,
        preprocess=preprocess,
        text=text,
        provenance=provenance,
        variants=variants,
    )


def _model(open_clip: ModuleType, architecture: str, pretrained: str) -> tuple[nn.Module, str]:
    path = Path(pretrained)
    is_file = path.suffix in (".pt", ".pth", ".bin", ".safetensors")
    tag = None if is_file or pretrained == "none" else pretrained
    try:
        model = open_clip.create_model(
            architecture, pretrained=tag, pretrained_hf=False, require_pretrained=tag is not None
        )
    except (OSError, RuntimeError, ValueError) as error:
        # every fault of a download, of which there are many kinds, comes as one of these
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExportError(
            f"the weights {architecture}/{pretrained} cannot be had ({first}): check the tag and the network, or download "
            "the file elsewhere and give its path as --pretrained; `--pretrained none` exports random weights"
        ) from error
    if is_file:
        _load(model, path)
        with path.open("rb") as file:
            return model.eval(), f"{path.name} (sha256 {hashlib.file_digest(file, 'sha256').hexdigest()})"
    return model.eval(), pretrained


def _load(model: nn.Module, path: Path) -> None:
    """Load weights from a file, all of them or none."""
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            # weights_only: a checkpoint is data and runs no code
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, safetensors.SafetensorError) as error:
        raise ExportError(
            f"{path} is not a checkpoint of weights ({type(error).__name__}): give a .pt or .safetensors"
        ) from error
    state = state.get("state_dict", state)
    state = {key.removeprefix("module."): value for key, value in state.items()}
    own = model.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    if missing or extra or wrong:
        raise ExportError(
            f"{path} holds weights of another architecture: {len(missing)} missing {missing[:3]}, {len(extra)} unknown "
            f"{extra[:3]}, {len(wrong)} of another shape {wrong[:3]}: give the architecture it was trained with"
        )
    model.load_state_dict(state)


def _preprocess(model: nn.Module) -> Preprocess:
    config = model.visual.preprocess_cfg
    size = config["size"]
    modes = {"shortest": "shortest", "squash": "squash"}
    if config["resize_mode"] not in modes:
        raise ExportError(f"resize mode {config['resize_mode']!r} is not supported: shortest and squash are")
    return Preprocess(
        size=size if isinstance(size, int) else size[0],
        resize=modes[config["resize_mode"]],
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
    )


def _text(open_clip: ModuleType, model: nn.Module, tokenizer: object) -> tuple[TextSpec, bytes]:
    length = tokenizer.context_length
    if isinstance(tokenizer, open_clip.SimpleTokenizer):
        eot = tokenizer.eot_token_id
        spec = TextSpec(context_length=length, causal=is_causal(model), eot_id=eot)
        return spec, clip_tokenizer_json().encode()
    backend = tokenizer.tokenizer
    cleaning = getattr(tokenizer.clean_fn, "__name__", "")
    clean = next((mode for mode in _CLEANING if mode in cleaning), "whitespace")
    spec = TextSpec(
        context_length=length,
        causal=False,
        clean=clean,
        pad_id=backend.pad_token_id or 0,
        eot_id=backend.eos_token_id if backend.eos_token_id is not None else backend.sep_token_id,
    )
    return spec, backend.backend_tokenizer.to_str().encode()
