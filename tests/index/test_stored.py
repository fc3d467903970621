"""index.stored: a stored video's file is handed out as it was indexed, or not at all."""

import hashlib
import os
import uuid
from pathlib import Path

import pytest

from index import stored as module
from index.errors import UriMissing, UriUnreadable
from index.sources.uri import member_uri, open_filesystem
from index.stored import StoredFiles
from tests.support.data import write_tar


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was hashed, in order."""
    found: list[str] = []
    digest = hashlib.file_digest

    def counted(file: object, name: str) -> object:
        found.append(name)
        return digest(file, name)  # pyright: ignore[reportArgumentType, reportCallIssue]

    monkeypatch.setattr(module.hashlib, "file_digest", counted)
    return found


def test_a_file_is_hashed_once(tmp_path: Path, hashed: list[str]) -> None:
    """However often it is opened; each time it stands at its beginning."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"film")
    files = StoredFiles()

    for _ in range(3):
        with files.open(path.as_uri(), _sha256(b"film")) as file:
            assert b"film" == file.read()

    assert 1 == len(hashed)


def test_another_file_in_its_place_is_not_handed_out(tmp_path: Path) -> None:
    """Of the same size, or brought back: each state is looked at."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"film")
    files, sha256 = StoredFiles(), _sha256(b"film")
    files.open(path.as_uri(), sha256).close()

    path.write_bytes(b"FILM")
    os.utime(path, ns=(1, 1))
    with pytest.raises(UriMissing, match="has changed since it was indexed"):
        files.open(path.as_uri(), sha256)
    path.write_bytes(b"film")
    os.utime(path, ns=(2, 2))
    files.open(path.as_uri(), sha256).close()
    path.unlink()
    with pytest.raises(UriMissing, match="is not there"):
        files.open(path.as_uri(), sha256)


def test_members_of_one_tar(tmp_path: Path, hashed: list[str]) -> None:
    """Each is a file of its own; a tar that was cut is told."""
    tar = write_tar(tmp_path / "a.tar", [("x", b"first"), ("y", b"second")])
    data, files = tar.read_bytes(), StoredFiles()
    for text in (b"first", b"second", b"first"):
        with files.open(member_uri(tar.as_uri(), data.index(text), len(text)), _sha256(text)) as file:
            assert text == file.read()

    assert 2 == len(hashed)
    with pytest.raises(UriUnreadable, match="behind the end"):
        files.open(member_uri(tar.as_uri(), 10, 10**6), "")


def test_a_file_elsewhere(hashed: list[str]) -> None:
    """On another file system its tag tells whether it changed."""
    uri = f"memory://{uuid.uuid4().hex}/a.mp4"
    filesystem, path = open_filesystem(uri)
    filesystem.pipe_file(path, b"film")
    files = StoredFiles()

    for _ in range(2):
        with files.open(uri, _sha256(b"film")) as file:
            assert b"film" == file.read()
    assert 1 == len(hashed)
    with pytest.raises(UriMissing):
        files.open(uri + "x", "")


def test_what_is_remembered_is_bounded(tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten, and hashed again."""
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    files = StoredFiles()
    for name in "abc":
        (tmp_path / name).touch()
    for name in ("a", "b", "c", "c", "a"):
        files.open((tmp_path / name).as_uri(), _sha256(b"")).close()

    assert 4 == len(hashed)
