"""Requests at times that do not wait for answers, or as fast as answers come; in a process of its own.

    python -m benchmarks.storm < task.json

The task comes as JSON on standard input, what was seen leaves as JSON. Where requests arrive by themselves (a Poisson
process), latency counts from the moment a request should have been sent: a server that stalls delays all that come meanwhile,
and a client that waited politely would not notice.
"""

import asyncio
import base64
import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import cast

# of the answers that were not 200: what they said, a few of them
_TOLD = 5
# A server that does not answer for so long is not waited for.
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Task:
    """What the clients do.

    Attributes:
        port: of the server, on this machine.
        requests: whole HTTP requests in base64, taken in turn.
        seconds: for how long requests are sent; the last answers are waited for.
        clients: connections of which each asks again when it was answered; 0 = requests come by themselves.
        rate: of these, a second.
        seed: of their times.
    """

    port: int
    requests: tuple[str, ...]
    seconds: float
    clients: int = 0
    rate: float = 0.0
    seed: int = 0


@dataclass
class Seen:
    """What they saw, one entry for each request, in the order of the answers.

    Attributes:
        at: when it was due, in seconds since the first.
        ms: from then to its answer.
        status: of the answer; 0 = none.
        reasons: of what was not 200, by problem type.
        told: some of these answers.
        seconds: from the first request to the last answer.
    """

    at: list[float] = field(default_factory=list[float])
    ms: list[float] = field(default_factory=list[float])
    status: list[int] = field(default_factory=list[int])
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    told: list[str] = field(default_factory=list[str])
    seconds: float = 0.0

    def of(self, *statuses: int) -> list[float]:
        """Milliseconds of the answers with these statuses, ascending."""
        return sorted(ms for ms, status in zip(self.ms, self.status, strict=True) if status in statuses)

    @property
    def rate(self) -> float:
        """Answers of 200 a second."""
        return self.status.count(200) / self.seconds


def percentile(ordered: list[float], part: float) -> float:
    """The value below which that part of them lies; nan of nothing."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")


def post(path: str, body: bytes, content_type: str = "application/json", *headers: str) -> str:
    """One request, as a `Task` holds it."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-type: {content_type}", *headers]
    head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""])
    return base64.b64encode(head.encode() + body).decode()


def ask(task: Task) -> Seen:
    """Let a process do the task, and wait for what it saw."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.storm"],
        input=json.dumps(asdict(task)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Seen(**json.loads(done.stdout))


class _Connection(asyncio.Protocol):
    """One request under way at a time."""

    def __init__(self) -> None:
        self._answer = bytearray()
        self._length = 0
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: asyncio.Future[bytes] | None = None
        self.is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by its class
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._length:
            end = self._answer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._answer[:end]).lower()
            self._length = end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(self._answer) >= self._length and self._waiting is not None and not self._waiting.done():
            self.is_open = b"connection: close" not in self._answer[: self._length].lower()
            self._waiting.set_result(bytes(self._answer))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError(f"the connection broke: {exc}"))

    async def send(self, request: bytes) -> bytes:
        assert self._transport is not None
        self._answer.clear()
        self._length = 0
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting


class _Storm:
    """All connections, and what comes over them."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._requests = [base64.b64decode(each) for each in task.requests]
        self._number = 0
        self._free: list[_Connection] = []
        self._reasons: Counter[str] = Counter()
        self._seen = Seen()
        self._began = time.perf_counter()

    async def run(self) -> Seen:
        task = self._task
        if task.clients:
            await asyncio.gather(*(self._client() for _ in range(task.clients)))
        else:
            await self._arrivals()
        self._seen.seconds = time.perf_counter() - self._began
        self._seen.reasons = dict(self._reasons)
        return self._seen

    async def _client(self) -> None:
        while self._now() < self._task.seconds:
            await self._one(self._now())

    async def _arrivals(self) -> None:
        chance, due, under_way = random.Random(self._task.seed), 0.0, set[asyncio.Task[None]]()
        while (due := due + chance.expovariate(self._task.rate)) < self._task.seconds:
            if (pause := due - self._now()) > 0:
                await asyncio.sleep(pause)
            one = asyncio.create_task(self._one(due))
            under_way.add(one)
            one.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def _one(self, due: float) -> None:
        request = self._requests[self._number % len(self._requests)]
        self._number += 1
        answer = b""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                connection = await self._connection()
                answer = await connection.send(request)
            self._free.append(connection)
        except (OSError, TimeoutError) as error:
            self._note("no answer", repr(error))
        status = int(answer[9:12]) if answer else 0
        if answer and status != 200:
            text = answer.partition(b"\r\n\r\n")[2].decode(errors="replace")
            try:
                self._note(json.loads(text)["type"].rpartition("/")[2], text)
            except (ValueError, KeyError):
                self._note("no problem JSON", text)
        self._seen.at.append(round(due, 4))
        self._seen.ms.append(round(1000 * (self._now() - due), 3))
        self._seen.status.append(status)

    async def _connection(self) -> _Connection:
        while self._free:
            connection = self._free.pop()
            if connection.is_open:
                return connection
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._task.port)
        return connection

    def _note(self, reason: str, text: str) -> None:
        self._reasons[reason] += 1
        if len(self._seen.told) < _TOLD:
            self._seen.told.append(text[:300])

    def _now(self) -> float:
        return time.perf_counter() - self._began


def main() -> None:
    """Do the task on standard input."""
    import uvloop

    storm = Task(**json.load(sys.stdin))

    async def run() -> Seen:
        return await _Storm(storm).run()

    json.dump(asdict(uvloop.run(run())), sys.stdout)


if __name__ == "__main__":
    main()
