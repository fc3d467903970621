"""MSR-VTT's layout."""

from pathlib import Path

import pytest

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.files import Options
from models.evaluation.layouts.msrvtt import ANNOTATIONS, CSV, load
from tests.models.evaluation.made_clips import write_annotations, write_msrvtt, write_videos

CAPTIONS = {"video2": [" a man \n", "a dog"], "video0": ["a cat"], "video1": ["a car", "a van"]}
SPLITS = {"video0": "train", "video1": "test", "video2": "test"}


def _names(folder: Path, options: Options) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.id, each.captions) for each in load(folder, options).entries]


@pytest.fixture
def annotated(tmp_path: Path) -> Path:
    """A folder with annotations of three videos, and the videos."""
    write_videos(tmp_path / "videos" / "all", ["red", "blue", "green"])
    write_annotations(tmp_path / ANNOTATIONS[0], CAPTIONS, SPLITS)
    return tmp_path


def test_the_thousand_of_1k_a(tmp_path: Path) -> None:
    """The CSV names videos and their one sentence; its folder and the file itself mean the same."""
    folder = write_msrvtt(tmp_path)

    found = load(folder, Options())

    assert ("1k-A", "video", "msr-vtt") == (found.split, found.unit, found.layout)
    assert [("video0", ("a red picture",)), ("video1", ("a blue picture",)), ("video2", ("a green picture",))] == [
        (each.id, each.captions) for each in found.entries
    ]
    assert (folder / "videos" / "video0.mp4").read_bytes() == found.entries[0].read()
    assert found.entries == load(folder / CSV, Options()).entries


def test_annotations_have_splits(annotated: Path) -> None:
    """Test unless another is named; all sentences of each video, in the file's order and without space around them."""
    assert [("video2", ("a man", "a dog")), ("video1", ("a car", "a van"))] == _names(annotated, Options())
    assert [("video0", ("a cat",))] == _names(annotated, Options(split="train"))
    assert "train" == load(annotated / ANNOTATIONS[0], Options(split="train")).split


def test_fewer_captions(annotated: Path) -> None:
    """The first so many of each video."""
    assert [("video2", ("a man",)), ("video1", ("a car",))] == _names(annotated, Options(captions=1))


def test_two_files_are_one(annotated: Path) -> None:
    """As first published: train and validate in one file, test in another, all in one folder."""
    (annotated / ANNOTATIONS[0]).unlink()
    write_annotations(annotated / ANNOTATIONS[1], {"video0": ["a cat"]}, SPLITS)
    write_annotations(annotated / ANNOTATIONS[2], {"video1": ["a car"]}, SPLITS)

    assert [("video0", ("a cat",))] == _names(annotated, Options(split="train"))
    assert [("video1", ("a car",))] == _names(annotated, Options(split="test"))


def test_the_csv_goes_before_annotations(annotated: Path) -> None:
    """Where both lie, 1k-A is what is meant, unless a split of the annotations is named."""
    write_msrvtt(annotated)

    assert "1k-A" == load(annotated, Options()).split == load(annotated, Options(split="1k-A")).split
    assert ["video2", "video1"] == [each.id for each in load(annotated, Options(split="test")).entries]


@pytest.mark.parametrize("ending", [".webm", ".mkv", ".avi"])
def test_other_containers_are_found(tmp_path: Path, ending: str) -> None:
    """Whoever encoded the videos again may have kept the names alone."""
    write_msrvtt(tmp_path)
    for path in (tmp_path / "videos").iterdir():
        path.rename(path.with_suffix(ending))

    assert 3 == len(load(tmp_path, Options()).entries)


def test_videos_elsewhere(tmp_path: Path) -> None:
    """Folders that are named are searched in their order, and no other."""
    folder = write_msrvtt(tmp_path / "texts")
    (folder / "videos").rename(tmp_path / "elsewhere")

    assert 3 == len(load(folder, Options(images=(tmp_path, tmp_path / "elsewhere"))).entries)


def test_missing_videos_are_told_or_left_out(tmp_path: Path) -> None:
    """How many, which, and where they should be; or the rest alone."""
    folder = write_msrvtt(tmp_path)
    (folder / "videos" / "video1.mp4").unlink()

    with pytest.raises(
        DatasetInvalid, match=r"1 of 3 videos are missing: expected .*videos to hold video1\.mp4.*--videos"
    ):
        load(folder, Options())
    left = load(folder, Options(skip_missing=True))
    assert (["video0", "video2"], 1) == ([each.id for each in left.entries], left.skipped)


def test_what_is_missing_is_named(annotated: Path, tmp_path: Path) -> None:
    """No source, no file in it, no such split, no folder of videos: each says what was expected."""
    (tmp_path / "empty").mkdir()
    for source, options, said in (
        (tmp_path / "gone", Options(), "no data set at .*gone: expected a CSV"),
        (tmp_path / "empty", Options(), f"holds neither {CSV} nor any of {ANNOTATIONS[0]}"),
        (annotated, Options(split="dev"), "no split 'dev': choose one of test, train"),
        (annotated, Options(split="1k-A"), f"{CSV} is missing: expected a CSV"),
        (annotated, Options(images=(tmp_path / "gone",)), "gone is missing: expected a folder with the videos"),
    ):
        with pytest.raises(DatasetInvalid, match=said):
            load(source, options)


def test_a_csv_has_one_split(tmp_path: Path) -> None:
    """Another one cannot be read from it."""
    with pytest.raises(DatasetInvalid, match="holds the split 1k-A, not 'train'"):
        load(write_msrvtt(tmp_path) / CSV, Options(split="train"))


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"video_id,sentence\nvideo0\n", b"video_id\nvideo0\n", b"\xff\xfe\x00"]
)
def test_another_csv_is_told(tmp_path: Path, content: bytes) -> None:
    """Without its columns, with rows cut short, or no text at all."""
    path = tmp_path / CSV
    path.write_bytes(content)

    with pytest.raises(DatasetInvalid, match="expected a CSV with the columns video_id and sentence"):
        load(path, Options())


@pytest.mark.parametrize("content", ["{", "[]", '{"videos": [], "captions": []}'])
def test_other_annotations_are_told(tmp_path: Path, content: str) -> None:
    """No JSON, or JSON of another shape."""
    path = tmp_path / ANNOTATIONS[0]
    path.write_text(content)

    with pytest.raises(DatasetInvalid, match="expected MSR-VTT annotations"):
        load(path, Options())


def test_an_empty_table_is_told(tmp_path: Path) -> None:
    """A CSV with nothing but its heads."""
    (tmp_path / CSV).write_text("key,vid_key,video_id,sentence\n")

    with pytest.raises(DatasetInvalid, match="empty"):
        load(tmp_path, Options())
