"""A full disk is said as such, whoever noticed it."""

import errno
import os
from pathlib import Path

import pytest

from index.disk import full_disk_named
from index.errors import StorageFull


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        OSError("LanceError(IO): Generic LocalFileSystem error: No space left on device (os error 28)"),
        RuntimeError("Error in virtual size_t faiss::FileIOWriter::operator(): write error: No space left on device"),
    ],
)
def test_a_full_disk_has_one_error(tmp_path: Path, error: Exception) -> None:
    """Python's, Lance's and FAISS's own errors become StorageFull: where, what is safe, what to do; the cause is kept."""
    with (
        pytest.raises(StorageFull, match=f"no space left under {tmp_path}: free some") as caught,
        full_disk_named(tmp_path, lambda: "free some"),
    ):
        raise error

    assert error is caught.value.__cause__


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), RuntimeError("no room for errors"), KeyError("28")])
def test_other_errors_pass(tmp_path: Path, error: Exception) -> None:
    """What is no full disk is not called one."""
    with pytest.raises(type(error)) as caught, full_disk_named(tmp_path, lambda: "never asked"):
        raise error

    assert error is caught.value
