"""Several processes that serve one port, with a tiny server in the place of the real one, but for the last test."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.operations.processes import Deaths, each_of
from service.settings import Settings

PATIENCE_S = 20.0
# what comes at once comes sooner, also on a loaded machine
LINGER_S = 3.0
# Answers each connection with its process id; "die" and "hang" are obeyed. Ends with status 0 on SIGTERM.
TINY = """
import os, signal, socket, sys
from pathlib import Path
from service.operations.processes import Processes
from service.settings import Settings

def work(settings, opened, parent):
    if settings.home.name in ("broken", "mistaken"):
        raise SystemExit(3 if settings.home.name == "broken" else 78)
    hangs = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None if hangs else sys.exit(0))
    while True:
        connection, _ = opened.accept()
        with connection:
            asked = connection.recv(10)
            if asked == b"die":
                os.kill(os.getpid(), signal.SIGKILL)
            if asked == b"hang":
                hangs.append(1)
            connection.sendall(f"{os.getpid()} {parent}".encode())

if __name__ == "__main__":
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
    opened = socket.create_server(("127.0.0.1", 0))
    print(opened.getsockname()[1], flush=True)
    settings = Settings(workers=2, drain_s=float(sys.argv[2]), linger_s=float(sys.argv[3]), home=sys.argv[4])
    Processes(settings, opened, work).run()
"""


@given(st.lists(st.floats(0, 100), max_size=30))
def test_processes_that_never_live_are_given_up(lives: list[float]) -> None:
    """Only five in a row that ended within seconds end it all; one that lived for a while begins the count anew."""
    deaths, in_a_row = Deaths(), 0
    for lived in lives:
        in_a_row = 0 if lived >= 10 else in_a_row + 1
        pause = deaths.pause(lived)
        assert (pause is None) == (in_a_row >= 5)
        assert pause is None or (pause == 0) == (lived >= 10)
        if pause is None:
            return


@given(st.integers(1, 64), st.integers(0, 8), st.sampled_from(["threads", "decode_threads"]))
def test_threads_are_shared_out(workers: int, threads: int, kind: str) -> None:
    """Each process has a thread at least, together no more than there are cores; a number that is set holds for each."""
    cores = len(os.sched_getaffinity(0))
    share = getattr(each_of(Settings.model_validate({"workers": workers, kind: threads})), kind)

    assert share >= 1
    assert share == threads if threads else share * workers <= max(cores, workers)


@contextmanager
def tiny(
    folder: Path, drain_s: float = 5.0, linger_s: float = 1.0, named: str = "home"
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The processes, and their port."""
    script = folder / "tiny_server.py"
    script.write_text(TINY)
    metrics = folder / "metrics"
    metrics.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(script), str(metrics), str(drain_s), str(linger_s), named],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), *sys.path])},
    )
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def ask(port: int, what: bytes = b"who") -> tuple[int, int]:
    """The process that answered, and its parent; (0, 0) when none did."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            client.sendall(what)
            who = client.recv(100).split()
            return (int(who[0]), int(who[1])) if who else (0, 0)
    except ConnectionError:
        return 0, 0


def test_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    """After a kill the port is answered all the time, and by two processes again; told to stop, all end with status 0."""
    with tiny(tmp_path) as (process, port):
        first, parent = ask(port)
        assert parent == process.pid
        assert (0, 0) == ask(port, b"die")
        seen: set[int] = set()
        until = time.monotonic() + PATIENCE_S
        while len(seen - {0}) < 2 and time.monotonic() < until:
            seen.add(ask(port)[0])
            # both accept: one that is busy leaves it to the other
            time.sleep(0.001)
        assert len(seen - {0}) == 2 and 0 not in seen
        process.send_signal(signal.SIGTERM)

        assert 0 == process.wait(PATIENCE_S)
        assert first > 0


@pytest.mark.parametrize(("sig", "at_once"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_who_comes_while_all_end_does_not_wait_in_vain(tmp_path: Path, sig: signal.Signals, *, at_once: bool) -> None:
    """The processes end in their own time; once they take nothing new, nobody new gets into the queue that they share."""
    with tiny(tmp_path, drain_s=10.0, linger_s=LINGER_S) as (process, port):
        for _ in range(20):
            ask(port, b"hang")
        began = time.monotonic()
        process.send_signal(sig)
        with pytest.raises(OSError):
            while time.monotonic() - began < PATIENCE_S:
                socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
                time.sleep(0.01)

        assert (time.monotonic() - began < LINGER_S) == at_once
        assert process.poll() is None
        # ends them all
        process.send_signal(sig)
        assert process.wait(PATIENCE_S) == -sig


def test_what_does_not_end_is_killed(tmp_path: Path) -> None:
    """Processes that ignore the stop are killed when the time to drain is up; that is a failure. A second signal does not wait."""
    with tiny(tmp_path, drain_s=60.0) as (process, port):
        hanging = {ask(port, b"hang")[0] for _ in range(4)}
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)

        # of the sixty seconds that they had
        assert -signal.SIGTERM == process.wait(PATIENCE_S)
        until = time.monotonic() + PATIENCE_S
        while any(map(_is_running, hanging)):
            assert time.monotonic() < until, "they live on"
            time.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("named", ["broken", "mistaken"])
def test_a_fault_that_all_have_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """Processes that cannot start are not started for ever, and not again at all where the settings are to blame: status 1."""
    quick = "import service.operations.processes\nservice.operations.processes._PAUSE_S, service.operations.processes._MOST_SOON = 0.0, 2\n"
    (tmp_path / "sitecustomize.py").write_text(quick)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with tiny(tmp_path, named=named) as (process, _):
        assert 1 == process.wait(PATIENCE_S)
        assert process.stderr is not None
        told = process.stderr.read()
    assert "giving up" in told
    assert ("another is started" in told) == (named == "broken")


def test_a_misspelt_variable_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several processes one says that a variable is ignored, and which may be meant."""
    monkeypatch.setenv("VILEM_DRIAN_S", "5")
    command = [sys.executable, "-m", "vilem", "serve", "--home", str(tmp_path), "--port", "0", "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        told = [process.stderr.readline()]
        # the processes begin after it, and say whatever they say before one answers
        while "VILEM_DRIAN_S" not in told[-1]:
            told.append(process.stderr.readline())
            assert told[-1]
        time.sleep(5)
    finally:
        process.terminate()
        rest = process.communicate(timeout=60)[1]

    assert "is VILEM_DRAIN_S meant?" in told[-1]
    assert "VILEM_DRIAN_S" not in rest


def test_a_mistake_is_told_in_one_line(tmp_path: Path) -> None:
    """`vilem serve --workers 2` where it may not serve says what to do, without a traceback, and ends with 1."""
    command = [sys.executable, "-m", "vilem", "serve", "--home", str(tmp_path), "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run([*command, "--workers", "2"], capture_output=True, text=True, timeout=60)

    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert "vilem keys create" in done.stderr
