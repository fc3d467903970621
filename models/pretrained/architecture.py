"""What open_clip builds: a name it knows, a configuration file of its format, or a folder as hubs keep them."""

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from models.errors import ExportError

FOLDER_PREFIX = "local-dir:"
_FOLDER_CONFIG = "open_clip_config.json"
_NEEDED = ("embed_dim", "vision_cfg", "text_cfg")
# of a tag's entries, those that say how an image is prepared
_PREPARING = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True)
class Architecture:
    """A model that open_clip can build.

    Attributes:
        name: what open_clip knows it by.
        text: its text configuration, where files at hand have replaced names on a hub.
        quick_gelu: whether it has OpenAI's activation.
        in_folder: it comes from a folder, whose own configuration says how images are prepared.
    """

    name: str
    text: dict[str, Any]
    quick_gelu: bool
    in_folder: bool

    @property
    def label(self) -> str:
        """The name without the place of a folder, which says nothing of the model to those who get the bundle."""
        return (
            f"{FOLDER_PREFIX}{Path(self.name.removeprefix(FOLDER_PREFIX)).resolve().name}"
            if self.in_folder
            else self.name
        )


def find_architecture(open_clip: ModuleType, reference: str, text_files: Path | None = None) -> Architecture:
    """What *reference* means.

    Args:
        open_clip: the package.
        reference: open_clip's name, a configuration file `NAME.json`, or `local-dir:FOLDER`.
        text_files: a folder with the Hugging Face files of tokenizer and text tower, in place of a hub's.

    Raises:
        ExportError: it means nothing, or *text_files* has no use or not the files that it must have.
    """
    home: Path | None = None
    if reference.startswith(FOLDER_PREFIX):
        home = Path(reference.removeprefix(FOLDER_PREFIX))
        config = _read(home / _FOLDER_CONFIG).get("model_cfg", {})
        _expect_whole(home / _FOLDER_CONFIG, config)
    elif reference.endswith(".json"):
        home = Path(reference).parent
        config = _read(Path(reference))
        _expect_whole(Path(reference), config)
        open_clip.add_model_config(reference)
        reference = Path(reference).stem
    else:
        config = open_clip.get_model_config(reference) if reference in open_clip.list_models() else None
    if config is None:
        raise ExportError(_unknown(reference, open_clip.list_models()))
    in_folder = reference.startswith(FOLDER_PREFIX)
    text = _with_files(reference, dict(config["text_cfg"]), home, text_files, in_folder=in_folder)
    return Architecture(reference, text, bool(config.get("quick_gelu")), in_folder)


def preprocess_of(open_clip: ModuleType, name: str, like: str | None, *, must_know: bool) -> dict[str, object]:
    """How images are prepared for weights that do not say so themselves: as its published weights have it.

    Args:
        open_clip: the package.
        name: of an architecture.
        like: the tag to follow; None where all tags of the architecture agree.
        must_know: refuse to choose among tags that differ, because real weights would meet the wrong pixels.

    Raises:
        ExportError: no such tag, or the tags differ.
    """
    known = {tag: open_clip.get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)}
    ways = {tag: {key: way[key] for key in _PREPARING if way.get(key) is not None} for tag, way in known.items()}
    if like is not None:
        if like not in ways:
            raise ExportError(f"{name} has no tag {like!r} to prepare images like: {_listed(ways)}")
        return ways[like]
    if must_know and any(way != next(iter(ways.values())) for way in ways.values()):
        raise ExportError(
            f"the published weights of {name} prepare images in different ways: say which with --like, {_listed(ways)}"
        )
    return next(iter(ways.values()), {})


def check_tag(open_clip: ModuleType, architecture: Architecture, tag: str) -> None:
    """See that *tag* names weights of *architecture*, trained with its activation.

    Raises:
        ExportError: it does not.
    """
    name = architecture.name
    found = open_clip.get_pretrained_cfg(name, tag)
    if not found:
        tags = open_clip.list_pretrained_tags_by_model(name)
        raise ExportError(
            f"{tag!r} is neither a file (.pt, .pth, .bin, .safetensors) nor a tag of {name}: {_listed(tags)}"
        )
    if found.get("quick_gelu") and not architecture.quick_gelu:
        # open_clip only warns, and the vectors would be wrong
        raise ExportError(f"the weights {name}/{tag} were trained with QuickGELU: export {name}-quickgelu instead")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read as JSON ({error}): give an open_clip model configuration") from error
    return found if isinstance(found, dict) else {}


def _expect_whole(path: Path, config: dict[str, Any]) -> None:
    missing = [key for key in _NEEDED if key not in config]
    if missing:
        raise ExportError(f"{path} is no open_clip model configuration: it lacks {', '.join(missing)}")


def _unknown(reference: str, names: list[str]) -> str:
    if reference.startswith("hf-hub:"):
        return (
            f"{reference} is not fetched: download its folder ({_FOLDER_CONFIG}, tokenizer files, weights) and give "
            f"{FOLDER_PREFIX}FOLDER with --pretrained FOLDER/open_clip_model.safetensors"
        )
    close = difflib.get_close_matches(reference, names, n=5, cutoff=0.4) or names[:5]
    return (
        f"open_clip has no architecture {reference!r}: near it are {', '.join(close)}; a configuration file NAME.json "
        f"and {FOLDER_PREFIX}FOLDER are understood too"
    )


def _listed(tags: list[str] | dict[str, Any]) -> str:
    return f"its tags are {', '.join(tags)}" if tags else "it has no tags"


def _with_files(
    name: str, text: dict[str, Any], home: Path | None, text_files: Path | None, *, in_folder: bool
) -> dict[str, Any]:
    """The text configuration with folders at hand in place of names on a hub."""
    kinds = [kind for kind in ("hf_model_name", "hf_tokenizer_name") if text.get(kind)]
    if text_files is not None:
        _expect_text_files(name, kinds, text_files)
    for kind in kinds:
        beside = None if home is None else home / str(text[kind])
        if text_files is not None:
            text[kind] = str(text_files)
        elif in_folder and kind == "hf_tokenizer_name":
            # open_clip's own rule for such folders
            text[kind] = str(home)
        elif beside is not None and beside.is_dir():
            text[kind] = str(beside)
    if "hf_model_name" in kinds:
        # weights come from a checkpoint of both towers, or are random
        text["hf_model_pretrained"] = False
    return text


def _expect_text_files(name: str, kinds: list[str], folder: Path) -> None:
    if not kinds:
        raise ExportError(f"{name} uses CLIP's own vocabulary: leave --text-files out")
    wanted = {"hf_model_name": "config.json", "hf_tokenizer_name": "tokenizer_config.json"}
    missing = [wanted[kind] for kind in kinds if not (folder / wanted[kind]).is_file()]
    if missing:
        raise ExportError(
            f"{folder} lacks {', '.join(missing)}: put the Hugging Face files of {name}'s text tower there"
        )
