"""index.sources.uri: what is written into a collection leads back to the same bytes."""

import os
import uuid
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.errors import SourceError, UriMissing, UriUnreadable
from index.sources import read_uri
from index.sources.uri import member_uri, open_filesystem, open_uri, uri_of
from tests.support.data import write_tar

FILE_NAMES = st.text(
    st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILE_NAMES)
def test_any_file_name_survives(tmp_path: Path, name: str) -> None:
    """A local file of any name is found again by its URI: '#', '%', '?', spaces and other scripts included."""
    path = tmp_path / name
    path.write_bytes(name.encode())
    filesystem, found = open_filesystem(str(tmp_path))
    assert name.encode() == read_uri(uri_of(filesystem, f"{found}/{name}"))


def test_a_name_that_is_no_text_survives(tmp_path: Path) -> None:
    """File names that are not UTF-8 are percent-encoded bytes."""
    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).write_bytes(b"x")
    uri = uri_of(fsspec.filesystem("file"), str(tmp_path / name))
    assert uri.endswith("caf%E9.jpg")
    assert b"x" == read_uri(uri)


def test_a_name_like_a_range_is_a_name(tmp_path: Path) -> None:
    """A file called `a#offset=1&size=2` is not taken for a part of another."""
    path = tmp_path / "a#offset=1&size=2"
    path.write_bytes(b"whole")
    assert b"whole" == read_uri(uri_of(fsspec.filesystem("file"), str(path)))


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_a_member_is_its_part_of_the_tar(tmp_path: Path, scheme: str) -> None:
    """Offset and size cut exactly the member out, on this machine and elsewhere."""
    data = write_tar(tmp_path / "a b.tar", [("x", b"first"), ("y", b"second")]).read_bytes()
    uri = (tmp_path / "a b.tar").as_uri()
    if scheme == "memory":
        uri = f"memory://{uuid.uuid4().hex}/a.tar"
        filesystem, path = open_filesystem(uri)
        filesystem.pipe_file(path, data)
    assert b"second" == read_uri(member_uri(uri, data.index(b"second"), 6))
    assert b"sec" == read_uri(member_uri(uri, data.index(b"second"), 6), max_bytes=2)
    assert b"" == read_uri(member_uri(uri, 0, 0))


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_no_more_is_read_than_allowed(tmp_path: Path, scheme: str) -> None:
    """One byte beyond the limit is read, which shows that the file is too large; the rest never is."""
    uri = (tmp_path / "a").as_uri() if scheme == "file" else f"memory://{uuid.uuid4().hex}"
    filesystem, path = open_filesystem(uri)
    filesystem.pipe_file(path, b"x" * 100)
    assert 11 == len(read_uri(uri, max_bytes=10))
    assert 100 == len(read_uri(uri, max_bytes=100)) == len(read_uri(uri))


@pytest.mark.parametrize(
    "uri", ["file:///nowhere/a.jpg", "memory://nowhere.jpg", "file:///nowhere.tar#offset=0&size=3"]
)
def test_a_missing_file_is_told_from_an_unreadable_one(uri: str) -> None:
    """Where there is no file the error says so."""
    with pytest.raises(UriMissing, match="not there"):
        read_uri(uri)


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    """What is there and is no file cannot be read."""
    with pytest.raises(UriUnreadable) as caught:
        read_uri(tmp_path.as_uri())
    assert not isinstance(caught.value, UriMissing)


def test_a_tar_that_was_cut_is_noticed(tmp_path: Path) -> None:
    """A member behind the end of its tar is an error, not fewer bytes."""
    (tmp_path / "a.tar").write_bytes(b"x" * 100)
    with pytest.raises(UriUnreadable, match="cut or replaced"):
        read_uri(member_uri((tmp_path / "a.tar").as_uri(), 90, 20))


def test_an_unknown_scheme_is_a_clear_error() -> None:
    """The message names the URL and what to give instead."""
    with pytest.raises(SourceError, match="nope://x cannot be opened"):
        read_uri("nope://x")


def test_a_missing_package_is_named() -> None:
    """A scheme that needs a package names the package."""
    with pytest.raises(SourceError, match="not installed"):
        open_filesystem("abfs://container/x")


@pytest.mark.parametrize("scheme", ["file", "memory"])
@pytest.mark.parametrize("member", [False, True])
def test_an_opened_file_is_what_is_read(tmp_path: Path, scheme: str, member: bool) -> None:
    """Whole or a part of a tar, here and elsewhere: the same bytes, with seek, and nothing of what lies around."""
    data = write_tar(tmp_path / "a.tar", [("x", b"first"), ("y", b"second" * 3000)]).read_bytes()
    uri = (tmp_path / "a.tar").as_uri()
    if scheme == "memory":
        uri = f"memory://{uuid.uuid4().hex}/a.tar"
        filesystem, path = open_filesystem(uri)
        filesystem.pipe_file(path, data)
    uri = member_uri(uri, data.index(b"second"), 18_000) if member else uri
    expected = read_uri(uri)

    with open_uri(uri, max_bytes=2**20) as file:
        assert expected == file.read() and b"" == file.read()
        assert len(expected) == file.seek(0, os.SEEK_END)
        file.seek(5)
        file.seek(2, os.SEEK_CUR)
        assert expected[7:20] == file.read(13)
        with pytest.raises((OSError, ValueError)):
            file.seek(-1)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """Missing, a folder, or a tar that was cut: as for reading."""
    tar = write_tar(tmp_path / "a.tar", [("x", b"first")])
    remote = f"memory://{uuid.uuid4().hex}/a.tar"
    filesystem, path = open_filesystem(remote)
    filesystem.pipe_file(path, tar.read_bytes())
    for uri, error in (
        ((tmp_path / "gone").as_uri(), UriMissing),
        (remote + "gone", UriMissing),
        (tmp_path.as_uri(), UriUnreadable),
        ("nope://x", UriUnreadable),
        (member_uri(tar.as_uri(), 10, 99_999), UriUnreadable),
        (member_uri(remote, 10, 99_999), UriUnreadable),
    ):
        with pytest.raises(error), open_uri(uri, max_bytes=10**6):
            pass


def test_no_more_is_copied_than_is_allowed() -> None:
    """One byte more, so that it shows."""
    uri = f"memory://{uuid.uuid4().hex}/a"
    filesystem, path = open_filesystem(uri)
    filesystem.pipe_file(path, b"x" * 1000)

    with open_uri(uri, max_bytes=10) as file:
        assert 11 == len(file.read())


def test_what_goes_wrong_with_an_open_file_is_not_its_address(tmp_path: Path) -> None:
    """An error of whoever reads passes as it is."""
    (tmp_path / "a").write_bytes(b"x")

    with pytest.raises(FileNotFoundError, match="of the reader"), open_uri((tmp_path / "a").as_uri(), max_bytes=9):
        raise FileNotFoundError("of the reader")
