"""Clients that cost little: requests are bytes made beforehand, answers are read to their length and no further.

One process of one event loop, on cores of its own, so that what the server does is what is measured. It is sent its task as
JSON on standard input and answers with JSON:

    python -m benchmarks.clients < task.json
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import cast

# Failures told apart; more are counted only.
_TOLD = 5


@dataclass(frozen=True)
class Task:
    """What the clients do.

    Attributes:
        port: of the server, on this machine.
        path: what is posted to.
        bodies: JSON bodies, taken in turn.
        seconds: how long; the last answers are waited for.
        clients: connections, each of which asks again when it was answered.
        core: which to run on; None = any.
    """

    port: int
    path: str
    bodies: tuple[str, ...]
    seconds: float
    clients: int
    core: int | None = None


@dataclass(frozen=True)
class Seen:
    """What they saw.

    Attributes:
        seconds: from the first request to the last answer.
        milliseconds: of each request, in the order of the answers.
        moments: when each was answered, in seconds since the first request.
        failed: answers that were not 200, and connections that broke.
        faults: what some of these said.
    """

    seconds: float
    milliseconds: list[float]
    moments: list[float]
    failed: int
    faults: list[str]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.milliseconds) / self.seconds

    def percentile(self, part: float) -> float:
        """Milliseconds within which that part of the requests were answered."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def ask(task: Task) -> Seen:
    """Let a process do the task, and wait for what it saw."""
    return finish(start(task))


def start(task: Task) -> "subprocess.Popen[str]":
    """Begin the task in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.clients"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(task)))
    process.stdin.close()
    process.stdin = None
    return process


def finish(process: "subprocess.Popen[str]") -> Seen:
    """What a process saw, when it has ended."""
    answer, _ = process.communicate()
    return Seen(**json.loads(answer))


class _Client(asyncio.Protocol):
    """One connection: one request under way at a time."""

    def __init__(self, work: "_Work") -> None:
        self._work = work
        self._answer = bytearray()
        self._length = 0
        self._began = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by its class
        self._transport = cast("asyncio.WriteTransport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._length:
            end = self._answer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._answer[:end]).lower()
            self._length = end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(self._answer) >= self._length:
            self._work.answered(bytes(self._answer), self._began)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            if self._began:
                self._work.failed(f"the connection broke: {exc}")
            self.done.set_result(None)

    def _next(self) -> None:
        assert self._transport is not None
        self._answer.clear()
        self._length, self._began = 0, 0.0
        request = self._work.next()
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(request)


class _Work:
    """What all connections share: what is asked next, and what came."""

    def __init__(self, task: Task) -> None:
        head = f"POST {task.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: "
        self._requests = [f"{head}{len(body.encode())}\r\n\r\n{body}".encode() for body in task.bodies]
        self._numbers = count()
        self._began = time.perf_counter()
        self._until = self._began + task.seconds
        self._milliseconds: list[float] = []
        self._moments: list[float] = []
        self._failed = 0
        self._faults: list[str] = []

    def next(self) -> bytes | None:
        if time.perf_counter() >= self._until:
            return None
        return self._requests[next(self._numbers) % len(self._requests)]

    def answered(self, answer: bytes, began: float) -> None:
        now = time.perf_counter()
        self._milliseconds.append(1000 * (now - began))
        self._moments.append(now - self._began)
        if not answer.startswith(b"HTTP/1.1 200"):
            self.failed(answer[:300].decode(errors="replace"))

    def failed(self, why: str) -> None:
        self._failed += 1
        if len(self._faults) < _TOLD:
            self._faults.append(why)

    def seen(self) -> Seen:
        seconds = time.perf_counter() - self._began
        return Seen(seconds, self._milliseconds, self._moments, self._failed, self._faults)


async def work(task: Task) -> Seen:
    """Do the task in this process."""
    loop, shared = asyncio.get_running_loop(), _Work(task)

    async def connect() -> None:
        _, client = await loop.create_connection(lambda: _Client(shared), "127.0.0.1", task.port)
        await client.done

    connected: Sequence[BaseException | None] = await asyncio.gather(
        *(connect() for _ in range(task.clients)), return_exceptions=True
    )
    for error in connected:
        if error is not None:
            shared.failed(f"no connection: {error}")
    return shared.seen()


def main() -> None:
    """Do the task on standard input."""
    import uvloop

    given = json.load(sys.stdin)
    task = Task(**given)
    if task.core is not None:
        os.sched_setaffinity(0, {task.core})
    json.dump(asdict(uvloop.run(work(task))), sys.stdout)


if __name__ == "__main__":
    main()
