"""Pictures that came with a request: kept in the collection's folder, one file for each different content.

The address of one is `upload:SHA256`: it names no place, so a collection may be moved, and no request can name a file.
"""

import os
import re
import uuid
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from index.disk import full_disk_named
from models.sealed import write_atomically

UPLOADS = "uploads"
SCHEME = "upload:"
# of a file that is being removed, before a name of its own
_ASIDE = ".aside-"
_ADDRESS = re.compile(rf"{SCHEME}([0-9a-f]{{64}})")


def keep(folder: Path, data: bytes, sha256: str) -> str:
    """Store a picture of that SHA-256 (hex) under the collection's *folder*, unless it is there; its address.

    Raises:
        StorageFull: there is no space.
    """
    path = _path(folder, sha256)
    if not _young_again(path, len(data)):
        with full_disk_named(folder, lambda: "free some and send it again"):
            write_atomically(path, data)
    return f"{SCHEME}{sha256}"


def located(folder: Path, uri: str) -> str:
    """The address as `index.sources.read_uri` knows it: an upload's file under *folder*, anything else as it is."""
    found = _ADDRESS.fullmatch(uri)
    return _path(folder, found[1]).absolute().as_uri() if found else uri


def remove_unnamed(folder: Path, named: AbstractSet[str], before: datetime) -> int:
    """Remove uploads that nothing names, if they were stored *before* then; bytes removed.

    An upload is stored before its item is committed, so a young one may yet be named.

    Args:
        folder: of the collection.
        named: addresses that items have.
        before: a moment, with its zone.
    """
    removed, limit = 0, before.timestamp()
    for path in (folder / UPLOADS).glob("*/*"):
        # another may clean up too
        with suppress(FileNotFoundError):
            if path.name.startswith(_ASIDE):
                removed += _settled(path, limit)
            elif f"{SCHEME}{path.name}" not in named and path.stat().st_mtime < limit:
                # from here on who stores it again writes it anew; who has done so just now made it young
                removed += _settled(path.rename(path.with_name(f"{_ASIDE}{uuid.uuid4().hex[:12]}-{path.name}")), limit)
    return removed


def _settled(aside: Path, limit: float) -> int:
    """Remove a file that was set aside, or bring it back where it is younger than *limit* after all; bytes removed.

    Whoever set it aside may have been killed before.
    """
    stat, place = aside.stat(), aside.with_name(aside.name.rpartition("-")[2])
    if stat.st_mtime >= limit:
        # over one that was stored anew since: the same bytes
        aside.rename(place)
        return 0
    aside.unlink()
    return stat.st_size


def _young_again(path: Path, size: int) -> bool:
    """Whether the file is there in its full size: it is about to be named, so it is no old one any more."""
    try:
        if path.stat().st_size == size:
            # not `touch`, which would make an empty one of a file that is being removed
            os.utime(path)
            return True
    except FileNotFoundError:
        pass
    return False


def _path(folder: Path, sha256: str) -> Path:
    # two levels: a folder of a million files is slow to list
    return folder / UPLOADS / sha256[:2] / sha256
