"""One job for each collection: a lock on a file that the kernel releases when its holder dies, however it dies.

The lock is flock(2): it holds between processes of one machine, and on network file systems that pass it on.
"""

import fcntl
import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from index.errors import LeaseHeld

LEASE_FILE = "lease"


@contextmanager
def lease(folder: Path, work: str) -> Generator[None]:
    """Hold the collection in *folder* for one piece of *work*, which the message to others names.

    Raises:
        LeaseHeld: someone else holds it; says who.
    """
    # never removed: a waiting process could otherwise lock a file that no longer has a name
    with (folder / LEASE_FILE).open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LeaseHeld(
                f"collection {folder.name} is being written by {_holder(folder / LEASE_FILE)}: "
                "wait until it ends, or stop it"
            ) from error
        file.truncate(0)
        file.write(json.dumps(_myself(work)).encode())
        file.flush()
        yield
        # closing the file lets go of the lock


def _myself(work: str) -> dict[str, str | int]:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"work": work, "pid": os.getpid(), "host": socket.gethostname(), "since": started}


def _holder(path: Path) -> str:
    try:
        who = json.loads(path.read_bytes())
        return f"process {who['pid']} on {who['host']} ({who['work']}, since {who['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        # its holder has locked it and not yet written
        return "another process"
