"""Pictures that came with a request: kept in the collection's folder, one file for each different content.

The address of one is `upload:SHA256`: it names no place, so a collection may be moved, and no request can name a file.
"""

import re
from pathlib import Path

from models.sealed import write_atomically

UPLOADS = "uploads"
_SCHEME = "upload:"
_ADDRESS = re.compile(rf"{_SCHEME}([0-9a-f]{{64}})")


def keep(folder: Path, data: bytes, sha256: str) -> str:
    """Store a picture of that SHA-256 (hex) under the collection's *folder*, unless it is there; its address."""
    path = _path(folder, sha256)
    if not path.is_file() or path.stat().st_size != len(data):
        write_atomically(path, data)
    return f"{_SCHEME}{sha256}"


def located(folder: Path, uri: str) -> str:
    """The address as `index.sources.read_uri` knows it: an upload's file under *folder*, anything else as it is."""
    found = _ADDRESS.fullmatch(uri)
    return _path(folder, found[1]).absolute().as_uri() if found else uri


def _path(folder: Path, sha256: str) -> Path:
    # two levels: a folder of a million files is slow to list
    return folder / UPLOADS / sha256[:2] / sha256
