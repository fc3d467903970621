"""index.sources.folder: image files under a folder."""

import uuid
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.errors import SourceError
from index.sources import read_uri
from index.sources.folder import FolderSource
from index.sources.item import SourceItem


def _fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def _ids(source: FolderSource) -> list[str]:
    return [item.id for item in source]


def test_ids_are_paths_inside_the_folder(tmp_path: Path) -> None:
    """Every image is an item named by its path, in the order of names, and its URI leads to its bytes."""
    _fill(tmp_path, "b.jpg", "a/2.PNG", "a/10.webp", "a/b/c.jpeg")
    source = FolderSource(str(tmp_path))
    assert ["a/10.webp", "a/2.PNG", "a/b/c.jpeg", "b.jpg"] == _ids(source)
    assert all(isinstance(item, SourceItem) and item.id.encode() == read_uri(item.uri) for item in source)
    assert 4 == source.count()


def test_other_files_are_left_out(tmp_path: Path) -> None:
    """Hidden names and files that are no images by their suffix are no items."""
    _fill(tmp_path, "a.jpg", "a.txt", ".hidden.jpg", ".git/x.jpg", "README", "a.jpg.part", "jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert ["a.jpg"] == _ids(FolderSource(str(tmp_path)))


def test_the_order_is_the_same_every_time(tmp_path: Path) -> None:
    """Two walks give equal items."""
    _fill(tmp_path, *(f"{number % 3}/{number}.jpg" for number in range(20)))
    source = FolderSource(f"{tmp_path}/")
    assert list(source) == list(source)


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    """A linked folder is read; a link to a folder above is not; a link to nowhere is an item that will be missed."""
    _fill(tmp_path, "real/a.jpg", "corpus/b.jpg")
    (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "corpus" / "circle").symlink_to(tmp_path / "corpus")
    (tmp_path / "corpus" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert ["b.jpg", "gone.jpg", "linked/a.jpg"] == _ids(FolderSource(str(tmp_path / "corpus")))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("ab é#%'", min_size=1, max_size=4), min_size=1, max_size=5, unique=True))
def test_local_and_remote_agree(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    """The same tree gives the same ids on this machine and on another file system."""
    local = tmp_path_factory.mktemp("tree")
    remote = f"/{uuid.uuid4().hex}"
    filesystem = fsspec.filesystem("memory")
    for number, name in enumerate(names):
        path = f"{number % 2}/x{name}.jpg"
        _fill(local, path)
        filesystem.pipe_file(f"{remote}/{path}", path.encode())
    there = FolderSource(f"memory:/{remote}")
    assert sorted(_ids(FolderSource(str(local)))) == sorted(_ids(there))
    assert all(isinstance(item, SourceItem) and item.id.encode() == read_uri(item.uri) for item in there)


def test_a_remote_folder_is_not_counted() -> None:
    """Counting would list everything twice over the network."""
    assert None is FolderSource("memory://somewhere").count()


def test_a_folder_that_vanished_is_an_error(tmp_path: Path) -> None:
    """A tree that cannot be listed breaks the source off by name."""
    source = FolderSource(str(tmp_path / "gone"))
    with pytest.raises(SourceError, match="gone cannot be listed"):
        list(source)


def test_videos_are_items_too(tmp_path: Path) -> None:
    """By their suffix, among pictures; programs whose names end like an old container's are none."""
    _fill(tmp_path, "b.jpg", "a.MP4", "c/d.webm", "e.ts", "f.srt")
    source = FolderSource(str(tmp_path))

    assert (["a.MP4", "b.jpg", "c/d.webm"], 3) == (_ids(source), source.count())
    assert [True, False, True] == [item.is_video for item in source if isinstance(item, SourceItem)]
