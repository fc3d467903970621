"""Karpathy's splits."""

import json
from pathlib import Path

import pytest

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.files import Options
from models.evaluation.layouts.karpathy import load
from tests.models.evaluation.made import write_karpathy


def test_the_test_split_is_read_in_order(tmp_path: Path) -> None:
    """Unless told otherwise the pictures are those of `test`, in the file's order: COCO's folds depend on it."""
    found = load(write_karpathy(tmp_path, ["train", "test", "val", "test"]), Options())

    assert ["picture_1.jpg", "picture_3.jpg"] == [each.id for each in found.entries]
    assert ("karpathy", "test") == (found.layout, found.split)
    assert "caption 0 of 1" == found.entries[0].captions[0]


def test_another_split_is_read_when_asked_for(tmp_path: Path) -> None:
    """`val` is val, and the report says so."""
    found = load(write_karpathy(tmp_path, ["train", "test", "val"]), Options(split="val"))

    assert (["picture_2.jpg"], "val") == ([each.id for each in found.entries], found.split)


@pytest.mark.parametrize(("limit", "kept"), [(None, 5), (2, 2), (0, 7)])
def test_five_captions_are_the_convention(tmp_path: Path, limit: int | None, kept: int) -> None:
    """Published tables count five captions for each picture; another number is used when asked for, and 0 is all."""
    found = load(write_karpathy(tmp_path, ["test"], captions=7), Options(captions=limit))

    assert kept == len(found.entries[0].captions)


def test_pictures_may_lie_in_the_folder_that_the_file_names(tmp_path: Path) -> None:
    """COCO's pictures lie in val2014/ below the folder; Flickr30K's in the folder itself. The bytes are the file's."""
    found = load(write_karpathy(tmp_path, ["test"], filepath="val2014"), Options(images=(tmp_path / "images",)))

    assert (tmp_path / "images/val2014/picture_0.jpg").read_bytes() == found.entries[0].read()


def test_pictures_may_lie_flat(tmp_path: Path) -> None:
    """A folder that holds val2014's pictures without that folder is understood too."""
    source = write_karpathy(tmp_path, ["test"], filepath="val2014")

    found = load(source, Options(images=(tmp_path / "images/val2014",)))

    assert found.entries[0].read()


def test_an_unknown_split_names_those_there_are(tmp_path: Path) -> None:
    """The message counts the splits that the file has."""
    with pytest.raises(DatasetInvalid, match=r"has no split 'dev': it has train \(2\), test \(1\)"):
        load(write_karpathy(tmp_path, ["train", "test", "train"]), Options(split="dev"))


def test_a_file_without_pictures_says_so(tmp_path: Path) -> None:
    """An empty list of images has no split at all."""
    (tmp_path / "dataset.json").write_text('{"images": []}')

    with pytest.raises(DatasetInvalid, match="no pictures at all"):
        load(tmp_path / "dataset.json", Options())


@pytest.mark.parametrize("content", ["[]", '{"images": [{"filename": "a.jpg"}]}', '{"images": 3}', "{"])
def test_another_file_is_named_with_what_was_expected(tmp_path: Path, content: str) -> None:
    """A file that is not Karpathy's is refused with the layout."""
    (tmp_path / "dataset.json").write_text(content)

    with pytest.raises(DatasetInvalid, match=r"expected Karpathy's JSON.*sentences"):
        load(tmp_path / "dataset.json", Options())


def test_missing_pictures_are_counted_and_named(tmp_path: Path) -> None:
    """One sentence: how many of how many, where they should be, and what to do."""
    source = write_karpathy(tmp_path, ["test"] * 8)
    for number in range(7):
        (tmp_path / "images" / f"picture_{number}.jpg").unlink()

    with pytest.raises(DatasetInvalid) as caught:
        load(source, Options())

    said = str(caught.value)
    assert said.startswith(f"7 of 8 pictures are missing: expected {tmp_path / 'images'} to hold picture_0.jpg")
    assert "and 2 more; name their folder with --images" in said


def test_missing_pictures_can_be_left_out(tmp_path: Path) -> None:
    """When asked to, the rest is measured, and the data set knows how many are gone."""
    source = write_karpathy(tmp_path, ["test"] * 3)
    (tmp_path / "images/picture_1.jpg").unlink()

    found = load(source, Options(skip_missing=True))

    assert (["picture_0.jpg", "picture_2.jpg"], 1) == ([each.id for each in found.entries], found.skipped)


def test_a_missing_folder_of_pictures_is_named(tmp_path: Path) -> None:
    """A folder that does not exist is told as such, not as its pictures."""
    with pytest.raises(
        DatasetInvalid, match=r"nowhere is missing: expected a folder with the pictures of dataset\.json"
    ):
        load(write_karpathy(tmp_path, ["test"]), Options(images=(tmp_path / "nowhere",)))


def test_fields_that_are_not_ours_do_not_matter(tmp_path: Path) -> None:
    """The published files hold tokens, ids and more: they are not read."""
    source = write_karpathy(tmp_path, ["test"])
    content = json.loads(source.read_text())
    content["images"][0] |= {"cocoid": 3, "sentids": [1, 2]}
    source.write_text(json.dumps(content))

    assert 1 == len(load(source, Options()).entries)
