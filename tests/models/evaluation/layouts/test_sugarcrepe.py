"""SugarCrepe's layout."""

import json
from pathlib import Path

import pytest

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.files import Options
from models.evaluation.layouts.sugarcrepe import TYPES, load
from tests.models.evaluation.made import write_sugarcrepe
from tests.support.data import real_data


def test_items_of_one_picture_are_gathered(tmp_path: Path) -> None:
    """A picture that stands in all seven files is embedded once, with a caption and an edit of each type."""
    folder = write_sugarcrepe(tmp_path / "texts", tmp_path / "val2017", TYPES)

    found = load(folder, Options(images=(tmp_path / "val2017",)))

    assert 3 == len(found.entries)
    for each in found.entries:
        assert list(TYPES) == [edit.kind for edit in each.edits]
        assert list(range(7)) == [edit.caption for edit in each.edits]
        assert all(each.captions[edit.caption] != edit.text for edit in each.edits)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """All seven types belong to the benchmark: what is missing is listed."""
    folder = write_sugarcrepe(tmp_path / "texts", tmp_path / "val2017", TYPES[:5])

    with pytest.raises(DatasetInvalid, match=r"has no swap_att\.json, swap_obj\.json: expected SugarCrepe's seven"):
        load(folder, Options())


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    """A mean of six types is no figure of SugarCrepe."""
    folder = write_sugarcrepe(tmp_path / "texts", tmp_path / "val2017", TYPES)
    (folder / "swap_att.json").write_text("{}")

    with pytest.raises(DatasetInvalid, match=r"swap_att\.json holds nothing"):
        load(folder, Options(images=(tmp_path / "val2017",)))


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """The file, the item and the field are told."""
    folder = write_sugarcrepe(tmp_path / "texts", tmp_path / "val2017", TYPES)
    (folder / "swap_att.json").write_text(json.dumps({"0": {"filename": "a.jpg", "caption": "a"}}))

    with pytest.raises(DatasetInvalid, match=r"swap_att\.json: 0\.negative_caption"):
        load(folder, Options())


def test_the_published_files_are_read(tmp_path: Path) -> None:
    """All 7,511 items of 1,560 pictures are there; without the pictures, the message counts and names them."""
    texts = real_data("sugarcrepe")
    with pytest.raises(
        DatasetInvalid, match=r"1,560 of 1,560 pictures are missing: expected .* to hold 0000000"
    ) as caught:
        load(texts, Options(images=(tmp_path,)))

    assert "and 1,555 more" in str(caught.value)
    assert 7511 == sum(len(json.loads((texts / f"{kind}.json").read_text())) for kind in TYPES)
