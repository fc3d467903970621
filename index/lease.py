"""One job for each collection, and one writer at a time: locks on files that the kernel releases when their holder dies.

A *lease* is held for a whole job, so that no two embed or publish one collection. A *turn* is held for one commit: jobs and
live writes of several processes take theirs one after the other. Both are flock(2): they hold between processes of one
machine, and on network file systems that pass it on.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from index.errors import LeaseHeld

LEASE_FILE = "lease"
# of the work that makes, changes and removes generations; embedding and publishing go on meanwhile
GENERATIONS_LEASE_FILE = "generations.lease"
TURN_FILE = "turn"
# A commit takes milliseconds, a compaction seconds.
PATIENCE_S = 30.0
_PAUSE_S = 0.001


@contextmanager
def lease(folder: Path, work: str, *, file_name: str = LEASE_FILE) -> Generator[None]:
    """Hold the collection in *folder* for one piece of *work*, which the message to others names.

    Args:
        folder: of the collection.
        work: what is done.
        file_name: which of its leases; only those who ask for the same one exclude each other.

    Raises:
        LeaseHeld: someone else holds it; says who.
    """
    # never removed: a waiting process could otherwise lock a file that no longer has a name
    with (folder / file_name).open("a+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LeaseHeld(
                f"collection {folder.name} is being written by {_holder(folder / file_name)}: "
                "wait until it ends, or stop it"
            ) from error
        # for others to read; the job that frees a full disk must not fail for it
        with suppress(OSError):
            file.truncate(0)
            file.write(json.dumps(_myself(work)).encode())
        yield
        # closing the file lets go of the lock


@contextmanager
def turn(folder: Path, patience_s: float = PATIENCE_S) -> Generator[None]:
    """Hold the right to commit to the collection in *folder*; waits for it.

    Raises:
        LeaseHeld: another writer has not finished within *patience_s*.
    """
    # opened each time: a lock belongs to the opened file, so threads of one process wait for each other too
    with (folder / TURN_FILE).open("ab") as file:
        until = time.monotonic() + patience_s
        while not _locked(file.fileno()):
            if time.monotonic() >= until:
                raise LeaseHeld(
                    f"another writer of collection {folder.name} has not finished in {patience_s:g} s: try again, or find "
                    "what holds it"
                )
            time.sleep(_PAUSE_S)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
