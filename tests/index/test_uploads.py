"""Pictures that came with a request."""

import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.sources import read_uri
from index.uploads import UPLOADS, keep, located, remove_unnamed

DATA = b"not really a picture"
SHA256 = hashlib.sha256(DATA).hexdigest()


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    """The address leads to the bytes, also when the folder was moved in between."""
    (tmp_path / "old").mkdir()
    address = keep(tmp_path / "old", DATA, SHA256)
    (tmp_path / "old").rename(tmp_path / "new")

    assert DATA == read_uri(located(tmp_path / "new", address), max_bytes=100)


def test_one_content_is_one_file(tmp_path: Path) -> None:
    """A picture that comes twice takes its room once; what a kill cut short is written anew."""
    address = keep(tmp_path, DATA, SHA256)
    files = [path for path in (tmp_path / UPLOADS).rglob("*") if path.is_file()]
    files[0].write_bytes(DATA[:3])

    assert address == keep(tmp_path, DATA, SHA256)
    assert [path for path in (tmp_path / UPLOADS).rglob("*") if path.is_file()] == files
    assert DATA == files[0].read_bytes()


@pytest.mark.parametrize("moment", ["rename", "unlink"])
def test_what_comes_again_while_it_is_removed_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """An old picture that nothing names is sent again after its age was looked at, or on its way out: it stays, or is written anew."""
    keep(tmp_path, DATA, SHA256)
    path = tmp_path / UPLOADS / SHA256[:2] / SHA256
    os.utime(path, (0, 0))
    act, sent = getattr(Path, moment), list[str]()

    def sent_first(acted: Path, *arguments: Path, **options: bool) -> object:
        if not sent and acted.name.endswith(SHA256):
            sent.append(keep(tmp_path, DATA, SHA256))
        return act(acted, *arguments, **options)

    monkeypatch.setattr(Path, moment, sent_first)
    remove_unnamed(tmp_path, frozenset(), datetime.now(UTC) - timedelta(hours=1))

    assert 1 == len(sent)
    assert [path] == [each for each in (tmp_path / UPLOADS).rglob("*") if each.is_file()]
    assert DATA == path.read_bytes()


@pytest.mark.parametrize(("age", "left"), [(0, 1), (7_200, 0)], ids=["young", "old"])
def test_a_removal_that_was_killed_is_ended_or_undone(tmp_path: Path, age: float, left: int) -> None:
    """A file that was set aside goes with the next clean-up; one that was sent again just before comes back."""
    keep(tmp_path, DATA, SHA256)
    path = tmp_path / UPLOADS / SHA256[:2] / SHA256
    os.utime(path, (time.time() - age,) * 2)
    path.rename(path.with_name(f".aside-0123456789ab-{SHA256}"))

    removed = remove_unnamed(tmp_path, frozenset(), datetime.now(UTC) - timedelta(hours=1))

    assert (1 - left) * len(DATA) == removed
    assert left * [path] == list((tmp_path / UPLOADS).glob("*/*"))


def test_of_two_that_clean_up_none_takes_what_came_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both see an old file, one sets it aside, it is sent again, and then the other acts on what it saw: it is there."""
    keep(tmp_path, DATA, SHA256)
    path = tmp_path / UPLOADS / SHA256[:2] / SHA256
    os.utime(path, (0, 0))
    rename, before = Path.rename, datetime.now(UTC) - timedelta(hours=1)

    def after_the_other(old: Path, to: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        remove_unnamed(tmp_path, frozenset(), before)
        keep(tmp_path, DATA, SHA256)
        return rename(old, to)

    monkeypatch.setattr(Path, "rename", after_the_other)
    remove_unnamed(tmp_path, frozenset(), before)

    assert [path] == list((tmp_path / UPLOADS).glob("*/*"))


def test_two_may_clean_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another removes at the same time is no error."""
    keep(tmp_path, DATA, SHA256)
    rename = Path.rename

    def removed_first(path: Path, to: Path) -> Path:
        path.unlink()
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", removed_first)

    assert 0 == remove_unnamed(tmp_path, frozenset(), datetime.now(UTC) + timedelta(hours=1))


@given(
    st.text(max_size=40).map(lambda tail: f"upload:{tail}")
    | st.sampled_from(["file:///a.png", "s3://b/c", "", f"upload:{SHA256}/..", f"upload:{SHA256.upper()}"])
)
def test_nothing_else_is_an_upload(uri: str) -> None:
    """Only the scheme with a SHA-256 leads into the folder of uploads: no address can name another file."""
    assert uri == located(Path("/srv/collection"), uri)
