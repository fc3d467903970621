"""Data sets as they lie on disk, behind one call; `vilem eval` says what is missing, and where it should be."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from models.evaluation.dataset import Dataset, DatasetInvalid
from models.evaluation.layouts import coco, fine_grained, jsonl, karpathy, sugarcrepe, webdataset
from models.evaluation.layouts.files import Options, peek_json

Layout = Literal["jsonl", "webdataset", "karpathy", "coco", "fine-grained", "sugarcrepe"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

_LOADERS: dict[Layout, Callable[[Path, Options], Dataset]] = {
    "jsonl": jsonl.load,
    "webdataset": webdataset.load,
    "karpathy": karpathy.load,
    "coco": coco.load,
    "fine-grained": fine_grained.load,
    "sugarcrepe": sugarcrepe.load,
}
# options that a layout has no use for: figures of a part that was never taken look like that part's
_UNREAD: dict[Layout, tuple[str, ...]] = {
    "jsonl": ("pool",),
    "webdataset": ("images", "pool"),
    "karpathy": ("pool",),
    "coco": ("split", "pool"),
    "fine-grained": ("split",),
    "sugarcrepe": ("split", "pool"),
}


def open_dataset(source: Path, options: Options = Options(), layout: Layout | None = None) -> Dataset:  # noqa: B008 # frozen
    """Read the data set at *source*.

    Args:
        source: a file or folder.
        options: how it is read.
        layout: None to tell it by the file.

    Raises:
        DatasetInvalid: there is none, it breaks its layout, or an option is given that the layout has no use for.
    """
    layout = layout or tell_layout(source)
    idle = [f"--{name}" for name in _UNREAD[layout] if getattr(options, name)]
    if idle:
        raise DatasetInvalid(
            f"{source} is in the layout {layout}, which has no use for {', '.join(idle)}: leave it out"
        )
    return _LOADERS[layout](source, options)


def tell_layout(source: Path) -> Layout:
    """The layout that a file or folder seems to have.

    Raises:
        DatasetInvalid: it is none that we know.
    """
    if not source.exists():
        raise DatasetInvalid(f"no data set at {source}: expected one of {', '.join(LAYOUTS)} (docs/evaluation.md)")
    if source.is_dir():
        return _of_folder(source)
    if source.suffix in (".jsonl", ".tar"):
        return "jsonl" if source.suffix == ".jsonl" else "webdataset"
    if source.suffix == ".json":
        return _of_json(source, peek_json(source))
    raise _unknown(source)


def _of_folder(source: Path) -> Layout:
    if any(source.glob("*.tar")):
        return "webdataset"
    if any((source / f"{kind}.json").is_file() for kind in sugarcrepe.TYPES):
        return "sugarcrepe"
    if any(source.glob("Annotations/*_ann.json")):
        return "fine-grained"
    raise _unknown(source)


def _of_json(source: Path, content: object) -> Layout:
    if isinstance(content, dict) and "images" in content:
        return "coco" if "annotations" in content else "karpathy"
    if isinstance(content, dict) and all(isinstance(each, list) for each in content.values()):
        return "fine-grained"
    raise _unknown(source)


def _unknown(source: Path) -> DatasetInvalid:
    return DatasetInvalid(
        f"{source} is in no layout that can be told by its looks: name it with --layout, one of {', '.join(LAYOUTS)}"
    )
