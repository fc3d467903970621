"""The real HTTP server in a process of its own, as `vilem serve` runs it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

# generous: a test machine may run other things; nothing is asserted about it
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Server:
    """A running server: its process, its port, and a client on it."""

    process: subprocess.Popen[bytes]
    port: int
    client: httpx.Client
    log: Path

    def memory(self) -> tuple[int, int]:
        """Resident bytes of the process: now, and at its highest since `forget_peak`."""
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        now, peak = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return now, peak

    def forget_peak(self) -> None:
        """Begin the highest-since anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def free_port() -> int:
    """A TCP port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    home: Path,
    log: Path,
    *,
    wait: bool = True,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    **settings: object,
) -> Iterator[Server]:
    """Serve *home* until the block ends; output goes to the file *log*.

    Args:
        home: folder with collections/ and bundles/.
        log: what the process prints.
        wait: only yield once /readyz answers 200.
        port: to listen on; a free one if not given.
        environment: variables of the process beside those.
        settings: by name, e.g. `redis_url="redis://..."`; passed on as VILEM_* variables.
    """
    port = port or free_port()
    # no load balancer has to hear that a test's server is going
    settings = {"linger_s": 0, **settings}
    given = {f"VILEM_{name.upper()}": str(value) for name, value in settings.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VILEM_")}
    environment = kept | dict(environment or {}) | given | {"VILEM_HOME": str(home), "VILEM_PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "vilem", "serve"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            server = Server(process, port, client, log)
            if wait:
                wait_until(server, "/readyz")
            yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(server: Server, path: str, status: int = httpx.codes.OK, every_s: float = 0.02) -> float:
    """Wait until GET *path* answers *status*; returns the seconds it took.

    Raises:
        AssertionError: the process ended, or never answered so.
    """
    began = time.monotonic()
    last = "no answer"
    while time.monotonic() - began < PATIENCE_S:
        assert server.process.poll() is None, f"the server ended: {server.log.read_text()[-2000:]}"
        try:
            answer = server.client.get(path)
            if answer.status_code == status:
                return time.monotonic() - began
            last = answer.text
        except httpx.TransportError:
            pass
        time.sleep(every_s)
    raise AssertionError(f"{path} did not answer {status} in {PATIENCE_S} s: {last}; {server.log.read_text()[-2000:]}")
