"""A sealed folder: the one definition of "published" for bundles and for index snapshots.

A folder is written beside its final place, every file is fsynced and hashed, and the folder is renamed into place; so
a reader sees either nothing or all of it. The manifest inside the folder lists the files with size and SHA-256;
`verify` compares them with what lies on disk.
"""

import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict

STAGING_PREFIX = ".staging-"


class FileSeal(BaseModel):
    """Size in bytes and SHA-256 (hex) of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str


class _Versioned(BaseModel):
    """The one field that every version of a schema has."""

    schema_version: int


class SealBroken(Exception):
    """A sealed folder holds other files than its manifest lists."""


def schema_version_of(data: bytes) -> int:
    """The schema version of a JSON file's content, to be looked at before the rest: a newer one may have fields that are not known.

    Raises:
        ValidationError: there is none in it.
    """
    return _Versioned.model_validate_json(data).schema_version


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal_files(folder: Path) -> dict[str, FileSeal]:
    """Hash every file under *folder*; keys are POSIX paths relative to it, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): FileSeal(size=path.stat().st_size, sha256=sha256_of(path))
        for path in files
    }


def verify(folder: Path, seals: Mapping[str, FileSeal], *, contents: bool = True) -> None:
    """Check that every sealed file is there and unchanged.

    Args:
        folder: the sealed folder.
        seals: what its manifest lists.
        contents: False compares sizes only, which finds truncation but no flipped bit.

    Raises:
        SealBroken: naming the first file that is missing, truncated or altered.
    """
    for name, seal in seals.items():
        path = folder / name
        if not path.is_file():
            raise SealBroken(f"{path} is missing: copy the folder again, all of its files belong together")
        size = path.stat().st_size
        if size != seal.size:
            raise SealBroken(
                f"{path} has {size} bytes, its manifest says {seal.size}: the copy is truncated or altered"
            )
    if contents:
        _verify_contents(folder, seals)


def _verify_contents(folder: Path, seals: Mapping[str, FileSeal]) -> None:
    # hashlib lets go of the GIL: two large files (image and text tower) are hashed side by side at start-up.
    with ThreadPoolExecutor(max_workers=4) as pool:
        digests = pool.map(lambda name: sha256_of(folder / name), seals)
        for (name, seal), digest in zip(seals.items(), digests, strict=True):
            if digest != seal.sha256:
                raise SealBroken(
                    f"{folder / name} is altered: SHA-256 {digest[:12]}… is not the sealed {seal.sha256[:12]}…"
                )


@contextmanager
def staged(target: Path) -> Generator[Path]:
    """Yield an empty folder beside *target*; on success fsync it and rename it to *target*, else remove it.

    The writer adds its manifest as the last file. A folder that is already at *target* is never touched.

    Raises:
        FileExistsError: when *target* exists, before or after the writing.
    """
    if target.exists():
        raise FileExistsError(
            f"{target} exists: a sealed folder is never overwritten; choose another name or remove it"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.parent / f"{STAGING_PREFIX}{target.name}-{uuid.uuid4().hex[:8]}"
    staging.mkdir()
    try:
        yield staging
        sync_tree(staging)
        # rename onto an empty folder would succeed silently: look again, so that a race ends in an error.
        if target.exists():
            raise FileExistsError(f"{target} appeared while it was being written: another process published it")
        staging.rename(target)
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def sync_tree(folder: Path) -> None:
    """Fsync every file and folder under *folder*, so that a rename after it cannot outrun the data."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Fsync a folder's entries (names, not contents)."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file so that a reader, even after a crash, sees the old bytes or the new ones, never a part.

    Args:
        path: where.
        data: all of it, or its parts in their order, which need not be in memory together.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _staging_file(path) as file:
        staging = Path(file.name)
        try:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
            # while it is locked: see `remove_abandoned`
            os.replace(staging, path)
            sync_folder(path.parent)
        except BaseException:
            staging.unlink(missing_ok=True)
            raise


def remove_abandoned(files: Iterable[Path]) -> list[Path]:
    """Remove those that a killed `write_atomically` left, and leave those that are being written; what was removed.

    Args:
        files: any paths; folders, and files that are not named as that function names its own, are left alone.
    """
    removed: list[Path] = []
    for path in files:
        # the folder of a seal has such a name too
        if not path.name.startswith(STAGING_PREFIX) or not path.is_file():
            continue
        # another may have removed it; and where a file system knows no locks, nobody can tell
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed.append(path)
    return removed


def _staging_file(path: Path) -> IO[bytes]:
    """An empty file beside *path*, locked for as long as it is open: the kernel lets go of it when its writer is killed."""
    while True:
        file = (path.parent / f"{STAGING_PREFIX}{path.name}-{uuid.uuid4().hex[:8]}").open("xb")
        # a file system without locks writes as well
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        # taken for abandoned before it was locked
        file.close()
