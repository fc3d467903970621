"""A full disk, told as such by whoever wrote last: Python, Lance or FAISS."""

import errno
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from index.errors import StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Lance and FAISS tell the cause in the text of an error of their own
_SIGNS = tuple(sign for code in _FULL for sign in (f"os error {code})", os.strerror(code)))


@contextmanager
def full_disk_named(folder: Path, consequence: Callable[[], str]) -> Generator[None]:
    """Turn what writers raise on a full disk into one clear error; other errors pass.

    Args:
        folder: what was written to.
        consequence: what is safe and what to do next, asked only when it happened.

    Raises:
        StorageFull: instead of the writer's OSError or RuntimeError.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if getattr(error, "errno", None) in _FULL or any(sign in str(error) for sign in _SIGNS):
            raise StorageFull(f"no space left under {folder}: {consequence()}") from error
        raise
