"""index.sources: what lies at a path decides how it is read."""

import uuid
from pathlib import Path

import fsspec
import pytest

from index.errors import SourceError
from index.sources import SourceItem, open_source, read_uri
from index.sources.folder import FolderSource
from index.sources.table import TableSource
from index.sources.webdataset import WebDatasetSource
from tests.index.support import picture, write_pictures
from tests.support.data import write_tar


def test_the_kind_is_seen_from_what_is_there(tmp_path: Path) -> None:
    """A folder of images, a folder of shards, a shard and a table each get their reader."""
    write_pictures(tmp_path / "images", range(2))
    write_tar(tmp_path / "s.tar", [("a.png", picture(1))])
    (tmp_path / "t.JSONL").write_text('{"path": "a"}\n')
    assert isinstance(open_source(str(tmp_path)), WebDatasetSource)
    assert isinstance(open_source(str(tmp_path / "images")), FolderSource)
    assert isinstance(open_source(str(tmp_path / "s.tar")), WebDatasetSource)
    assert isinstance(open_source(str(tmp_path / "t.JSONL")), TableSource)


def test_an_empty_folder_is_an_empty_corpus(tmp_path: Path) -> None:
    """Nothing to read is not an error of the path."""
    assert [] == list(open_source(str(tmp_path)))


@pytest.mark.parametrize("name", ["nowhere", "nowhere.jsonl", "nowhere.tar", "nowhere-*.tar", "n-{0..1}.tar"])
def test_what_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    """A path of nothing is an error at once, not an empty corpus."""
    with pytest.raises(SourceError, match="is not there"):
        open_source(str(tmp_path / name))


def test_an_unknown_kind_is_said(tmp_path: Path) -> None:
    """A file that is neither table nor shard is refused, with the kinds that are known."""
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(SourceError, match=r"\.parquet or \.tar"):
        open_source(str(tmp_path / "a.xlsx"))


def test_images_beside_shards_are_ambiguous(tmp_path: Path) -> None:
    """Nothing is left out in silence: the person says which is meant."""
    write_pictures(tmp_path, [1])
    write_tar(tmp_path / "s.tar", [("a.png", picture(1))])
    with pytest.raises(SourceError, match="holds images or videos beside tar shards"):
        open_source(str(tmp_path))


def test_a_root_is_for_tables(tmp_path: Path) -> None:
    """An option that would do nothing is refused."""
    with pytest.raises(SourceError, match="root"):
        open_source(str(tmp_path), root="/images")


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    """`file://` with percent-encoded bytes is the same source as the path."""
    folder = tmp_path / "a #1"
    write_pictures(folder, range(2))
    assert list(open_source(str(folder))) == list(open_source(folder.as_uri()))


def test_a_relative_path_is_stored_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored URI does not depend on where the job was started."""
    write_pictures(tmp_path / "images", [5])
    monkeypatch.chdir(tmp_path)
    (item,) = open_source("images")
    monkeypatch.chdir("/")
    assert isinstance(item, SourceItem)
    assert ("005.png", picture(5)) == (item.id, read_uri(item.uri))


def test_a_remote_folder_is_a_source() -> None:
    """Any file system that fsspec knows will do."""
    folder = f"/{uuid.uuid4().hex}"
    fsspec.filesystem("memory").pipe_file(f"{folder}/x/a.png", picture(3))
    (item,) = open_source(f"memory:/{folder}")
    assert isinstance(item, SourceItem)
    assert ("x/a.png", picture(3)) == (item.id, read_uri(item.uri))
