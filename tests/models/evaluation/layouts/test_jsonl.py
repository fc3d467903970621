"""JSONL data sets."""

import json
from pathlib import Path

import pytest

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.files import Options
from models.evaluation.layouts.jsonl import load
from models.evaluation.layouts.scenes import load as load_scenes
from models.scenes.corpus import write_jsonl
from tests.models.evaluation.made import picture


def test_a_written_corpus_reads_back(tmp_path: Path) -> None:
    """What the scenes corpus writes is the same data set as the scenes in memory, but for the kinds of captions."""
    list(write_jsonl(tmp_path, "test", 3, seed=3))

    read, made = load(tmp_path / "test.jsonl", Options()).entries, load_scenes(3, seed=3).entries

    assert [(each.id, each.read(), each.captions) for each in made] == [
        (each.id, each.read(), each.captions) for each in read
    ]
    assert [each.edits for each in made] == [each.edits for each in read]
    assert [tuple(labels[1:] for labels in each.labels) for each in made] == [each.labels for each in read]


def test_a_missing_data_set_is_named(tmp_path: Path) -> None:
    """A path that is no file is an error that says the layout."""
    with pytest.raises(DatasetInvalid, match=r"nowhere\.jsonl: expected a JSONL file"):
        load(tmp_path / "nowhere.jsonl", Options())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("not json", "JSONDecodeError"),
        ('{"path": "a.png"}', "captions: Field required"),
        ('{"captions": ["a"]}', "path"),
        ('{"path": 7, "captions": ["a"]}', "path"),
        ('{"path": "a.png", "captions": []}', "no captions"),
        ('{"path": "a.png", "captions": "a"}', "captions"),
        ('{"path": "a.png", "captions": ["a"], "negatives": [{"text": "b", "kind": "k", "caption": 4}]}', "caption 4"),
        ("[1, 2]", "expected"),
        ('{"path": "a.png", "captions": ["caf\xe9"]}', "UnicodeDecodeError"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, why: str) -> None:
    """A line that is not an image with captions, or no UTF-8, is an error with its number and its fault."""
    (tmp_path / "a.png").write_bytes(picture((1, 2, 3)))
    good = json.dumps({"path": "a.png", "captions": ["one"]})
    (tmp_path / "set.jsonl").write_text(f"{good}\n{line}\n", encoding="latin-1")

    with pytest.raises(DatasetInvalid, match="line 2") as caught:
        load(tmp_path / "set.jsonl", Options())

    assert why in str(caught.value)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    """The picture and its folder are told, and how to leave it out."""
    (tmp_path / "set.jsonl").write_text('{"path": "gone.png", "captions": ["one"]}\n')

    with pytest.raises(DatasetInvalid, match=r"1 of 1 pictures are missing.*gone\.png.*--skip-missing"):
        load(tmp_path / "set.jsonl", Options())


def test_pictures_may_lie_elsewhere(tmp_path: Path) -> None:
    """A path that is not beside the file is looked for in the folders that were given."""
    (tmp_path / "far").mkdir()
    (tmp_path / "far/a.png").write_bytes(picture((1, 2, 3)))
    (tmp_path / "set.jsonl").write_text('{"path": "a.png", "captions": ["one"]}\n')

    assert 1 == len(load(tmp_path / "set.jsonl", Options(images=(tmp_path / "far",))).entries)


def test_the_id_is_the_lines_own_or_its_path(tmp_path: Path) -> None:
    """Without `id` a picture is named by its path."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture((1, 2, 3)))
    lines = ['{"path": "a.png", "captions": ["one"], "id": 7}', '{"path": "b.png", "captions": ["one"]}']
    (tmp_path / "set.jsonl").write_text("\n".join(lines))

    assert ["7", "b.png"] == [each.id for each in load(tmp_path / "set.jsonl", Options()).entries]


def test_a_split_is_its_lines(tmp_path: Path) -> None:
    """With a split only lines that name it count; without, all do; `image` names a picture as `path` does."""
    (tmp_path / "a.png").write_bytes(picture((1, 2, 3)))
    lines = [{"image": "a.png", "captions": [name], "id": name, "split": name} for name in ("train", "val")]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, lines)))

    assert [("val",)] == [each.captions for each in load(tmp_path / "set.jsonl", Options(split="val")).entries]
    assert 2 == len(load(tmp_path / "set.jsonl", Options()).entries)
    with pytest.raises(DatasetInvalid, match="no split 'test': it has train, val"):
        load(tmp_path / "set.jsonl", Options(split="test"))
