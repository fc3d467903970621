"""index.lease: one writer at a time, and none after its death."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from index.errors import LeaseHeld
from index.lease import lease

HOLD = """
import sys
from pathlib import Path
from index.lease import lease
with lease(Path(sys.argv[1]), "embedding"):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout
    assert "held\n" == process.stdout.readline()
    return process


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    """While a process works on a collection another is refused, and hears its number and what it does."""
    process = _holder(tmp_path)
    try:
        with pytest.raises(LeaseHeld, match=f"process {process.pid} on .*embedding"):
            with lease(tmp_path, "publishing"):
                pass
    finally:
        process.communicate()
    with lease(tmp_path, "publishing"):
        pass


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    """After kill -9 the next process has the collection at once."""
    process = _holder(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.communicate()
    with lease(tmp_path, "embedding"):
        pass


def test_two_jobs_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    """The lease belongs to the job, not to the process."""
    with lease(tmp_path, "embedding"):
        with pytest.raises(LeaseHeld, match=f"process {os.getpid()}"):
            with lease(tmp_path, "embedding"):
                pass


def test_a_failed_job_lets_go(tmp_path: Path) -> None:
    """An error inside the work ends the lease."""
    with pytest.raises(KeyError):
        with lease(tmp_path, "embedding"):
            raise KeyError
    with lease(tmp_path, "embedding"):
        pass


def test_a_full_disk_stops_no_job(tmp_path: Path) -> None:
    """The note is for others to read: where it cannot be written, the job that frees space has the lease all the same."""
    (tmp_path / "lease").symlink_to("/dev/full")

    with lease(tmp_path, "removing old snapshots"):
        pass


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff"])
def test_a_torn_note_still_refuses(tmp_path: Path, left: bytes) -> None:
    """A holder that has not yet written who it is holds the lease all the same."""
    with lease(tmp_path, "embedding"):
        (tmp_path / "lease").write_bytes(left)
        with pytest.raises(LeaseHeld, match="another process"):
            with lease(tmp_path, "embedding"):
                pass
