"""COCO's own captions."""

import json
from pathlib import Path

import pytest

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.coco import load
from models.evaluation.layouts.files import Options
from tests.models.evaluation.made import picture
from tests.support.data import real_data


def _write(folder: Path, captions: dict[int, list[str]]) -> Path:
    (folder / "images").mkdir()
    for each in captions:
        (folder / "images" / f"{each:012}.jpg").write_bytes(picture((each, 0, 0), form="JPEG"))
    images = [{"id": each, "file_name": f"{each:012}.jpg", "license": 1} for each in captions]
    annotations = [
        {"id": number, "image_id": each, "caption": text}
        for each, texts in captions.items()
        for number, text in enumerate(texts)
    ]
    path = folder / "captions.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations[::-1]}))
    return path


def test_captions_find_their_picture(tmp_path: Path) -> None:
    """Captions are joined to pictures by number, in the file's order, without the space around them."""
    found = load(_write(tmp_path, {7: [" one\n"], 3: ["two", "three"]}), Options())

    assert [("000000000007.jpg", ("one",)), ("000000000003.jpg", ("three", "two"))] == [
        (each.id, each.captions) for each in found.entries
    ]


def test_a_picture_without_captions_is_left_out(tmp_path: Path) -> None:
    """It is no distractor: the published pools have none."""
    assert 1 == len(load(_write(tmp_path, {1: ["one"], 2: []}), Options()).entries)


def test_five_captions_count(tmp_path: Path) -> None:
    """As for Karpathy's splits, the first five, unless told otherwise."""
    source = _write(tmp_path, {1: [str(number) for number in range(6)]})

    assert (5, 6) == tuple(len(load(source, Options(captions=n)).entries[0].captions) for n in (None, 0))


@pytest.mark.parametrize("content", ['{"images": []}', '{"images": [{"id": "x", "file_name": 1}], "annotations": []}'])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    """The message says what COCO's file would hold, and where this one breaks it."""
    (tmp_path / "captions.json").write_text(content)

    with pytest.raises(DatasetInvalid, match="expected COCO captions"):
        load(tmp_path / "captions.json", Options())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """No file, and what was expected in its place."""
    with pytest.raises(DatasetInvalid, match=r"none\.json is missing: expected COCO captions"):
        load(tmp_path / "none.json", Options())


def test_real_annotations_are_read() -> None:
    """Eighty photographs of COCO with their five captions, each a JPEG file."""
    found = load(real_data("coco-mini", "captions.json"), Options())

    assert (80, {5}) == (len(found.entries), {len(each.captions) for each in found.entries})
    assert all(each.read().startswith(b"\xff\xd8") for each in found.entries[:3])
