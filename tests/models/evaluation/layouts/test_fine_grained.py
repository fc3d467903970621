"""Fine-grained pools."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.files import Options
from models.evaluation.layouts.fine_grained import load, read_pool
from tests.models.evaluation.made import picture


def _published(folder: Path, texts: dict[str, list[str]], pool: list[str]) -> Path:
    """The layout of the published benchmark, with every picture of the pool."""
    for name in ("Annotations", "Images", "val2014", "unlabeled2017"):
        (folder / name).mkdir()
    (folder / "Annotations/MSCOCO_FG_ann.json").write_text(json.dumps(texts))
    np.save(folder / "Images/MSCOCO_FG_img_filenames.npy", np.array(pool))
    for name in pool:
        place = "val2014" if name.startswith("COCO_val") else "unlabeled2017"
        (folder / place / f"{name.removesuffix('.jpg')}.jpg").write_bytes(picture((4, 4, 4), form="JPEG"))
    return folder


TEXTS = {"COCO_val2014_01": ["one", "two"], "COCO_val2014_02": ["three"]}
POOL = ["COCO_val2014_01.jpg", "000000000009.jpg", "COCO_val2014_02.jpg"]


def _options(folder: Path, pool: Path | None = None) -> Options:
    return Options(images=(folder / "val2014", folder / "unlabeled2017"), pool=pool)


def test_the_published_folder_is_read(tmp_path: Path) -> None:
    """Annotated pictures come first with their texts, then the rest of the pool without; each picture once."""
    found = load(_published(tmp_path, TEXTS, POOL), _options(tmp_path))

    assert [("COCO_val2014_01", ("one", "two")), ("COCO_val2014_02", ("three",)), ("000000000009", ())] == [
        (each.id, each.captions) for each in found.entries
    ]
    assert all(each.read() for each in found.entries)


def test_annotations_alone_are_a_pool_of_their_own(tmp_path: Path) -> None:
    """Without a list of pictures the pool is what has texts."""
    source = _published(tmp_path, TEXTS, POOL) / "Annotations/MSCOCO_FG_ann.json"

    assert 2 == len(load(source, _options(tmp_path)).entries)


@pytest.mark.parametrize("name", ["pool.txt", "pool.json", "pool.npy"])
def test_a_pool_may_be_listed_in_three_ways(tmp_path: Path, name: str) -> None:
    """Names by line, as a JSON list, or as an array of strings give the same pool."""
    source = _published(tmp_path, TEXTS, POOL) / "Annotations/MSCOCO_FG_ann.json"
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, np.array(POOL))
    else:
        path.write_text(json.dumps(POOL) if name.endswith("json") else "\n".join(POOL))

    assert POOL == read_pool(path)
    assert 3 == len(load(source, _options(tmp_path, path)).entries)


def test_names_may_have_blanks(tmp_path: Path) -> None:
    """One name to a line, whatever it holds; an array may hold it as octets."""
    (tmp_path / "pool.txt").write_text("my picture.jpg\r\n\n  other.jpg\n")
    np.save(tmp_path / "pool.npy", np.array([b"my picture.jpg", b"other.jpg"]))

    assert ["my picture.jpg", "other.jpg"] == read_pool(tmp_path / "pool.txt") == read_pool(tmp_path / "pool.npy")


def test_pickled_lists_are_not_opened(tmp_path: Path) -> None:
    """An array of Python objects could run anything when read: it is refused, with what to do instead."""
    np.save(tmp_path / "pool.npy", np.array(POOL, dtype=object), allow_pickle=True)

    with pytest.raises(DatasetInvalid, match=r"cannot be read.*a \.txt with one on each line"):
        read_pool(tmp_path / "pool.npy")


@pytest.mark.parametrize("name", ["none.txt", "none.npy", "none.json"])
def test_a_missing_list_is_named(tmp_path: Path, name: str) -> None:
    """No list, and what was expected in its place."""
    with pytest.raises(DatasetInvalid, match=f"{name} is missing: expected names of pictures"):
        read_pool(tmp_path / name)


def test_a_folder_of_two_benchmarks_is_ambiguous(tmp_path: Path) -> None:
    """The published repository may hold both: the message lists them and asks for one."""
    _published(tmp_path, TEXTS, POOL)
    (tmp_path / "Annotations/Flickr30K_FG_ann.json").write_text("{}")

    with pytest.raises(DatasetInvalid, match=r"found Flickr30K_FG_ann\.json, MSCOCO_FG_ann\.json: name the file"):
        load(tmp_path, _options(tmp_path))


def test_other_json_is_refused(tmp_path: Path) -> None:
    """Texts must be lists under names."""
    (tmp_path / "ann.json").write_text('{"a": "one"}')

    with pytest.raises(DatasetInvalid, match="expected fine-grained annotations"):
        load(tmp_path / "ann.json", Options())


def test_missing_pictures_of_the_pool_are_missing(tmp_path: Path) -> None:
    """A pool without its distractors would be an easier one, so they are asked for too."""
    _published(tmp_path, TEXTS, POOL)
    (tmp_path / "unlabeled2017/000000000009.jpg").unlink()

    with pytest.raises(DatasetInvalid, match=r"1 of 3 pictures are missing.*000000000009\.jpg"):
        load(tmp_path, _options(tmp_path))
