"""Sealed folders: all or nothing, and every change is found."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models import sealed
from models.sealed import (
    STAGING_PREFIX,
    SealBroken,
    remove_abandoned,
    schema_version_of,
    seal_files,
    sha256_of,
    staged,
    verify,
    write_atomically,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files, one of them in a subfolder."""
    target = tmp_path / "target"
    with staged(target) as staging:
        (staging / "one.bin").write_bytes(bytes(range(256)) * 8)
        (staging / "deep").mkdir()
        (staging / "deep" / "two.txt").write_text("two")
    return target


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_seals_name_every_file(folder: Path) -> None:
    """Keys are POSIX paths, sorted; each holds the size and the SHA-256 of the file."""
    seals = seal_files(folder)

    assert ["deep/two.txt", "one.bin"] == list(seals)
    assert (3, sha256_of(folder / "deep" / "two.txt")) == (seals["deep/two.txt"].size, seals["deep/two.txt"].sha256)
    verify(folder, seals)


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 2047), change=st.integers(1, 255))
def test_any_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, place: int, change: int) -> None:
    """Whichever byte differs, verification names the file; a check of sizes alone does not see it."""
    folder = tmp_path_factory.mktemp("sealed")
    content = bytearray(bytes(range(256)) * 8)
    (folder / "one.bin").write_bytes(content)
    seals = seal_files(folder)
    content[place] ^= change
    (folder / "one.bin").write_bytes(content)

    verify(folder, seals, contents=False)
    with pytest.raises(SealBroken, match=r"one\.bin is altered"):
        verify(folder, seals)


@pytest.mark.parametrize("contents", [True, False])
def test_missing_and_truncated_files_are_found(folder: Path, contents: bool) -> None:
    """A file that is gone or of another size is found with and without hashing."""
    seals = seal_files(folder)
    (folder / "one.bin").write_bytes(b"short")
    with pytest.raises(SealBroken, match="5 bytes, its manifest says 2048"):
        verify(folder, seals, contents=contents)
    (folder / "one.bin").unlink()
    with pytest.raises(SealBroken, match=r"one\.bin is missing"):
        verify(folder, seals, contents=contents)


def test_a_staged_folder_appears_whole(tmp_path: Path) -> None:
    """Until the writer is done nothing lies at the target, and nothing else is left beside it."""
    target = tmp_path / "a" / "target"
    with staged(target) as staging:
        (staging / "file").write_text("content")
        assert not target.exists()
        assert staging.parent == target.parent

    assert ["target"] == _names(target.parent)
    assert "content" == (target / "file").read_text()


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failed_writer_leaves_nothing(tmp_path: Path, fault: type[BaseException]) -> None:
    """An error or an interrupt while writing removes what was written and is not swallowed."""
    with pytest.raises(fault):
        with staged(tmp_path / "target") as staging:
            (staging / "file").write_text("half")
            raise fault

    assert [] == _names(tmp_path)


def test_a_sealed_folder_is_never_overwritten(folder: Path) -> None:
    """Staging for a name that is taken fails before anything is written."""
    with pytest.raises(FileExistsError, match="never overwritten"):
        with staged(folder):
            pytest.fail("the writer must not run")

    assert ["deep", "one.bin"] == _names(folder)


def test_the_second_of_two_writers_fails(tmp_path: Path) -> None:
    """When the name is taken during the writing, the first to finish wins and the other leaves nothing."""
    target = tmp_path / "target"
    with pytest.raises(FileExistsError, match="appeared while"):
        with staged(target) as late:
            (late / "file").write_text("late")
            with staged(target) as early:
                (early / "file").write_text("early")

    assert ["target"] == _names(tmp_path)
    assert "early" == (target / "file").read_text()


def test_everything_is_synced_before_it_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file and folder is fsynced while the target does not exist yet: a crash cannot leave an empty file there."""
    target = tmp_path / "target"
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def recording(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").readlink().name, target.exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", recording)
    with staged(target) as staging:
        (staging / "file").write_text("content")
        (staging / "deep").mkdir()

    before = {name for name, there in synced if not there}
    assert {"file", "deep", staging.name} <= before
    assert (tmp_path.name, True) == synced[-1]


@settings(max_examples=20, deadline=None)
@given(old=st.binary(max_size=50), new=st.binary(max_size=50))
def test_atomic_write_replaces(tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes) -> None:
    """The second write's bytes are there afterwards, alone."""
    path = tmp_path_factory.mktemp("atomic") / "deep" / "file"
    write_atomically(path, old)
    write_atomically(path, new)

    assert new == path.read_bytes()
    assert ["file"] == _names(path.parent)


def test_parts_are_one_file(tmp_path: Path) -> None:
    """What comes in parts is written in their order; stopped between two of them, the old bytes stay."""
    target = tmp_path / "alias"
    write_atomically(target, (part for part in (b"one", b"", b" two")))

    def stopped() -> Iterator[bytes]:
        yield b"thr"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, stopped())

    assert b"one two" == target.read_bytes()
    assert [target] == list(tmp_path.iterdir())


def test_a_full_disk_keeps_the_old_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new bytes cannot reach the disk, the old file stays and no scrap is left."""
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sealed.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")

    assert b"old" == path.read_bytes()
    assert ["file"] == _names(tmp_path)


def test_readers_never_see_a_part(tmp_path: Path) -> None:
    """While one thread rewrites a file, another reads only whole versions."""
    path = tmp_path / "file"
    versions = [bytes([number]) * 5_000 for number in range(40)]
    write_atomically(path, versions[0])
    done = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        write_atomically(path, version)
    done.set()
    reader.join()

    assert seen <= set(versions)


# writes a part, says so, and waits to be killed
_WRITER = """
import sys
from pathlib import Path
from models.sealed import write_atomically

def parts():
    yield b"half"
    print("half", flush=True)
    sys.stdin.read()
    yield b" and half"

write_atomically(Path(sys.argv[1]), parts())
"""


def writer(path: Path) -> "subprocess.Popen[str]":
    """A process that has written half of the file."""
    command = [sys.executable, "-c", _WRITER, str(path)]
    made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    assert "half\n" == made.stdout.readline()
    return made


def test_what_a_killed_writer_left_goes_and_what_is_written_stays(tmp_path: Path) -> None:
    """Of two half-written files the one whose writer was killed is removed; the other one's writer never notices."""
    killed, alive = writer(tmp_path / "killed"), writer(tmp_path / "alive")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert 2 == len(_names(tmp_path))

    removed = remove_abandoned(tmp_path.iterdir())

    assert [True] == [path.name.startswith(f"{STAGING_PREFIX}killed-") for path in removed]
    assert [] == remove_abandoned(tmp_path.iterdir())
    alive.communicate("")
    assert ["alive"] == _names(tmp_path)
    assert b"half and half" == (tmp_path / "alive").read_bytes()


def test_only_what_atomic_writes_leave_is_removed(folder: Path) -> None:
    """Files of other names, folders of that name, and what is gone already are left alone."""
    (folder / f"{STAGING_PREFIX}seal-0").mkdir()
    before = _names(folder)

    assert [] == remove_abandoned([*folder.iterdir(), folder / f"{STAGING_PREFIX}gone-0"])
    assert before == _names(folder)


def test_a_writer_that_was_taken_for_dead_writes_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever removes a file in the instant before it is locked costs its writer another try, and no byte."""
    lock = fcntl.flock
    taken: list[Path] = []

    def late(file: IO[bytes], how: int) -> None:
        if not taken and not how & fcntl.LOCK_NB:
            taken.append(Path(file.name))
            assert taken == remove_abandoned(tmp_path.iterdir())
        lock(file, how)

    monkeypatch.setattr(sealed.fcntl, "flock", late)
    write_atomically(tmp_path / "file", b"all of it")

    assert 1 == len(taken)
    assert ["file"] == _names(tmp_path)
    assert b"all of it" == (tmp_path / "file").read_bytes()


def test_where_there_are_no_locks_nothing_is_taken_for_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without locks is written to as any other, and what may be in use there stays."""

    def refused(file: IO[bytes], how: int) -> None:
        raise OSError(errno.ENOLCK, f"no locks for {file.name}, {how}")

    monkeypatch.setattr(sealed.fcntl, "flock", refused)
    write_atomically(tmp_path / "file", b"bytes")
    left = tmp_path / f"{STAGING_PREFIX}file-0"
    left.touch()

    assert [] == remove_abandoned([left])
    assert left.exists()
    assert b"bytes" == (tmp_path / "file").read_bytes()


def test_the_schema_version_is_read_before_the_rest() -> None:
    """Whatever else a file holds its version is known; without one it is no file of ours."""
    assert 7 == schema_version_of(b'{"schema_version": 7, "what": {"nobody": ["knows"]}}')

    for data in (b"", b"[]", b'{"version": 7}', b'{"schema_version": "x"}'):
        with pytest.raises(ValidationError):
            schema_version_of(data)
