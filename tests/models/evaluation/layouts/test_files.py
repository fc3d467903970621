"""What the layouts share."""

from pathlib import Path

import pytest

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.files import (
    Options,
    dataset_of,
    entry_of,
    find_image,
    image_folders,
    limited,
    missing_images,
    peek_json,
    read_json,
    with_split,
)
from tests.models.evaluation.made import colours


def test_the_first_picture_that_is_there_is_taken(tmp_path: Path) -> None:
    """Folders are tried in order, names within each; when none is there the first is the one to ask for."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (two / "b.jpg").touch()

    assert two / "b.jpg" == find_image((one, two), "a.jpg", "b.jpg")
    assert one / "a.jpg" == find_image((one, two), "a.jpg", "c.jpg")


def test_pictures_lie_beside_their_file_unless_told(tmp_path: Path) -> None:
    """`images/` beside the file comes before its own folder; folders that were given come instead."""
    file = tmp_path / "set.json"

    assert (tmp_path / "images", tmp_path) == image_folders(Options(), file)
    assert (tmp_path,) == image_folders(Options(images=(tmp_path,)), file)


@pytest.mark.parametrize(("count", "said"), [(1, "to hold 0.jpg;"), (5, "4.jpg;"), (6, "4.jpg and 1 more;")])
def test_a_message_names_a_few_and_counts_the_rest(tmp_path: Path, count: int, said: str) -> None:
    """However many are missing, the message stays one sentence."""
    missing = [tmp_path / f"{number}.jpg" for number in range(count)]

    assert said in missing_images(missing, 9)


def test_a_picture_counts_as_missing_when_it_is_a_folder(tmp_path: Path) -> None:
    """Only files are pictures."""
    (tmp_path / "a.jpg").mkdir()

    with pytest.raises(DatasetInvalid, match="1 of 1 pictures"):
        dataset_of([entry_of(tmp_path / "a.jpg", "a", ("one",))], tmp_path, "made", Options())


def test_nothing_left_is_an_error_too(tmp_path: Path) -> None:
    """With every picture skipped there is nothing to measure, and it is told where they were looked for."""
    with pytest.raises(DatasetInvalid, match=r"1 of 1 pictures are missing: expected .* to hold a\.jpg"):
        dataset_of([entry_of(tmp_path / "a.jpg", "a", ("one",))], tmp_path, "made", Options(skip_missing=True))


@pytest.mark.parametrize(("asked", "convention", "kept"), [(None, 0, 2), (None, 1, 1), (1, 0, 1), (0, 1, 2), (9, 1, 2)])
def test_what_is_asked_for_comes_before_convention(asked: int | None, convention: int, kept: int) -> None:
    """0 means all captions, None the layout's own number."""
    found = limited(colours(1).entries, Options(captions=asked), convention)

    assert kept == len(found[0].captions)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
def test_what_is_no_json_is_told(tmp_path: Path, content: str) -> None:
    """An empty, cut or absurd file is refused in one sentence."""
    (tmp_path / "a.json").write_text(content)

    with pytest.raises(DatasetInvalid, match=r"a\.json is not JSON"):
        peek_json(tmp_path / "a.json")


def test_a_wrong_type_is_told_by_its_place(tmp_path: Path) -> None:
    """The message holds the path within the file."""
    (tmp_path / "a.json").write_text('{"b": ["x", 3]}')

    with pytest.raises(DatasetInvalid, match=r"a\.json: b\.1: .*: expected texts"):
        read_json(tmp_path / "a.json", dict[str, list[str]], "texts")


def test_a_split_is_noted_in_the_options() -> None:
    """The options of a layout with a default split say which it was."""
    assert Options(split="test", captions=3) == with_split(Options(captions=3), "test")
