"""Real photographs and captions, which lie beside the repository where they are there; and tars of one's own."""

import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def real_data(*parts: str) -> Path:
    """A path in the folder of real data; the test is skipped where it is not there."""
    root = Path(os.environ.get("TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no real data at {path}: set TEST_DATA")
    return path


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """An uncompressed tar of those members, in that order."""
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path
