"""Any open_clip model, by architecture and weights, with all that it takes to feed it."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError
from torch import nn

from models.errors import ExportError
from models.manifest import Preprocess, TextSpec
from models.open_clip_import import import_open_clip
from models.pretrained.architecture import Architecture, check_tag, find_architecture, preprocess_of
from models.pretrained.quiet import quiet
from models.pretrained.text_spec import first_line, load_tokenizer, text_of
from models.pretrained.weights import SUFFIXES, expect_file, load_weights
from models.sealed import sha256_of

RANDOM = "none"


@dataclass(frozen=True)
class Loaded:
    """An open_clip model.

    Attributes:
        model: in evaluation mode, on the CPU.
        preprocess: how an image becomes its input.
        text: how a string becomes token ids.
        tokenizer_json: in the format of the `tokenizers` package.
        architecture: what it is, for the record.
        source: where its weights come from, for the record.
    """

    model: nn.Module
    preprocess: Preprocess
    text: TextSpec
    tokenizer_json: bytes
    architecture: str
    source: str


def load_open_clip(
    architecture: str, pretrained: str, *, text_files: Path | None = None, like: str | None = None
) -> Loaded:
    """Load an open_clip model.

    Args:
        architecture: open_clip's name of it, a configuration file `NAME.json`, or `local-dir:FOLDER`.
        pretrained: a tag of open_clip's, a `.pt` or `.safetensors` file, or "none" for random weights.
        text_files: folder with the Hugging Face files of tokenizer and text tower, in place of a hub's.
        like: prepare images as the weights of this tag do; for weights from a file.

    Raises:
        ExportError: no such architecture or weights, weights of another architecture, or a hub that does not answer.
    """
    open_clip = import_open_clip()
    found = find_architecture(open_clip, architecture, text_files)
    file = Path(pretrained) if Path(pretrained).suffix in SUFFIXES else None
    tag = None if pretrained == RANDOM or file is not None else pretrained
    # what can fail at once fails before the minutes of building and loading
    if file is not None:
        expect_file(file)
    overlay = _overlay(open_clip, found, pretrained, tag, like)
    tokenizer = load_tokenizer(open_clip, found)
    model = _model(open_clip, found, tag, overlay)
    source = pretrained
    if file is not None:
        load_weights(model, file)
        source = f"{file.name} (sha256 {sha256_of(file)})"
    text, tokenizer_json = text_of(open_clip, model, tokenizer)
    return Loaded(model, _preprocess(model), text, tokenizer_json, found.label, source)


def _overlay(
    open_clip: ModuleType, architecture: Architecture, pretrained: str, tag: str | None, like: str | None
) -> dict[str, object]:
    """How images are prepared, so far as open_clip does not find it out itself."""
    if tag is not None:
        check_tag(open_clip, architecture, tag)
    if like is None and (tag is not None or architecture.in_folder):
        # the tag's own way, or the folder's
        return {}
    return preprocess_of(open_clip, architecture.name, like, must_know=pretrained != RANDOM)


def _model(open_clip: ModuleType, architecture: Architecture, tag: str | None, overlay: dict[str, object]) -> nn.Module:
    try:
        with quiet():
            model = open_clip.create_model(
                architecture.name,
                pretrained=tag,
                load_weights=tag is not None,
                pretrained_hf=False,
                require_pretrained=tag is not None,
                force_preprocess_cfg=overlay,
                text_cfg=architecture.text,
            )
    except Exception as error:
        # every fault of a download and of a configuration, of which there are many kinds without a base in common
        if tag is not None:
            failed = f"the weights {architecture.name}/{tag} cannot be had"
            fix = "download them elsewhere and give the file as --pretrained"
        else:
            failed = f"{architecture.name} cannot be built"
            fix = "give a folder with the text tower's config.json and tokenizer files as --text-files"
        raise ExportError(
            f"{failed} ({type(error).__name__}: {first_line(error)}): check the network, or {fix}"
        ) from error
    return model.eval()


def _preprocess(model: nn.Module) -> Preprocess:
    config = model.visual.preprocess_cfg
    size = config["size"]
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(set(sides)) != 1:
        raise ExportError(f"images of {sides} are not supported: the model's input must be square")
    try:
        return Preprocess(
            size=sides[0],
            resize=config["resize_mode"],
            interpolation=config["interpolation"],
            mean=config["mean"],
            std=config["std"],
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ExportError(
            f"images prepared with {first['loc'][0]} {first['input']!r} are not supported: {first['msg']}"
        ) from error
