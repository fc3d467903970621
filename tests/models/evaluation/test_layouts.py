"""Which layout a data set has."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts import LAYOUTS, Layout, open_dataset, tell_layout
from models.evaluation.layouts.files import Options
from models.evaluation.layouts.sugarcrepe import TYPES
from models.scenes.corpus import write_jsonl
from tests.models.evaluation.made import sample, write_karpathy, write_sugarcrepe
from tests.support.data import write_tar


def _coco(folder: Path) -> Path:
    (folder / "captions.json").write_text('{"images": [], "annotations": []}')
    return folder / "captions.json"


def _fine_grained(folder: Path) -> Path:
    (folder / "ann.json").write_text('{"a": ["one"]}')
    return folder / "ann.json"


def _published(folder: Path) -> Path:
    (folder / "Annotations").mkdir()
    (folder / "Images").mkdir()
    (folder / "Annotations/X_FG_ann.json").write_text('{"a": ["one"]}')
    np.save(folder / "Images/X_FG_img_filenames.npy", np.array(["a"]))
    return folder


def _jsonl(folder: Path) -> Path:
    list(write_jsonl(folder, "test", 1, seed=0))
    return folder / "test.jsonl"


def _shards(folder: Path) -> Path:
    write_tar(folder / "a.tar", sample("k", "one"))
    return folder


MAKERS = {
    "jsonl": _jsonl,
    "webdataset": lambda folder: write_tar(folder / "a.tar", sample("k", "one")),
    "karpathy": lambda folder: write_karpathy(folder, ["test"]),
    "coco": _coco,
    "fine-grained": _fine_grained,
    "sugarcrepe": lambda folder: write_sugarcrepe(folder, folder / "images", TYPES, 1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_told_by_its_looks(tmp_path: Path, layout: str) -> None:
    """Every layout is recognised without being named."""
    assert layout == tell_layout(MAKERS[layout](tmp_path))


@pytest.mark.parametrize(("make", "layout"), [(_shards, "webdataset"), (_published, "fine-grained")])
def test_folders_are_told_by_what_they_hold(tmp_path: Path, make: object, layout: str) -> None:
    """A folder of shards, and the published fine-grained repository."""
    assert callable(make)
    assert layout == tell_layout(make(tmp_path))


@pytest.mark.parametrize("layout", ["jsonl", "webdataset", "karpathy", "sugarcrepe"])
def test_one_call_opens_every_layout(tmp_path: Path, layout: str) -> None:
    """Whatever the layout, the result is pictures with captions, which know where they came from."""
    source = MAKERS[layout](tmp_path)

    found = open_dataset(source)

    assert (layout, str(source)) == (found.layout, found.source)
    assert all(each.captions and each.read() for each in found.entries)


def test_a_named_layout_is_not_guessed(tmp_path: Path) -> None:
    """When the layout is named, a file of another is refused by that layout's words."""
    with pytest.raises(DatasetInvalid, match="expected COCO captions"):
        open_dataset(_fine_grained(tmp_path), Options(), "coco")


@pytest.mark.parametrize(
    ("layout", "options", "idle"),
    [
        ("coco", Options(split="test", pool=Path("names.txt")), "--split, --pool"),
        ("fine-grained", Options(split="test"), "--split"),
        ("webdataset", Options(images=(Path("photos"),)), "--images"),
    ],
)
def test_an_option_that_a_layout_has_no_use_for_is_refused(
    tmp_path: Path, layout: Layout, options: Options, idle: str
) -> None:
    """Figures of the whole that are called those of a part would be wrong without a sign of it."""
    with pytest.raises(DatasetInvalid, match=f"the layout {layout}, which has no use for {idle}: leave it out"):
        open_dataset(tmp_path, options, layout)


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is told with the layouts there are."""
    with pytest.raises(DatasetInvalid, match=r"no data set at .*nowhere: expected one of jsonl, webdataset"):
        open_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [[1, 2], "text", {"a": 1}])
def test_json_of_no_known_layout_is_told(tmp_path: Path, content: object) -> None:
    """The message says that the layout can be named."""
    (tmp_path / "a.json").write_text(json.dumps(content))

    with pytest.raises(DatasetInvalid, match="name it with --layout"):
        tell_layout(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["photos.zip", "folder"])
def test_files_and_folders_of_no_known_layout_are_told(tmp_path: Path, name: str) -> None:
    """An empty folder, or a file of another kind, is in no layout."""
    path = tmp_path / name
    path.mkdir() if name == "folder" else path.touch()

    with pytest.raises(DatasetInvalid, match="no layout that can be told by its looks"):
        tell_layout(path)
