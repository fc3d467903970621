"""What every process of a test run needs, and one of them makes."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold the file *lock*, which is made when it is not there; other processes wait for it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        # closing lets go, and so does the end of the process
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def made_once(path: Path, make: Callable[[Path], object]) -> Path:
    """*path*, after the first process that asks has called *make* with it; *make* leaves it whole or not at all."""
    if not path.exists():
        with alone(path.with_name(f".{path.name}.lock")):
            if not path.exists():
                make(path)
    return path
