"""The one way to Redis, for everyone in the process: bounded in time, and given up while it does not answer.

Redis is a help, never a need. A call waits `timeout_s` at most, for a connection as for the answer; whatever goes wrong, the
caller is told None. After failures in a row a circuit breaker opens, and calls return at once; a task of its own, for which no
request waits, looks whether Redis is back. All calls of one request together wait no longer than one of them may.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from service.caching.breaker import Breaker
from service.operations.metrics import Metrics

T = TypeVar("T")

# More would only wait for each other: Redis answers one at a time.
_CONNECTIONS = 16
# For a probe's connection, which nobody waits for: Redis may be far, or its TLS slow.
_CONNECT_S = 1.0

_log = logging.getLogger("vilem.service")


@dataclass
class Waits:
    """How long one request has waited for Redis; calls under way together are one wait."""

    ended_s: float = 0.0
    under_way: int = 0
    since: float = 0.0

    def so_far(self, now: float) -> float:
        """Seconds, the waits that are not over included."""
        return self.ended_s + (now - self.since if self.under_way else 0.0)

    def begin(self, now: float) -> None:
        """A call begins."""
        if not self.under_way:
            self.since = now
        self.under_way += 1

    def end(self, now: float) -> None:
        """A call has ended."""
        self.under_way -= 1
        if not self.under_way:
            self.ended_s += now - self.since


_waits: ContextVar[Waits | None] = ContextVar("redis_waits", default=None)


def begin_request() -> None:
    """What this task and those that it begins call from now on is of one new request."""
    _waits.set(Waits())


def _is_lost(error: Exception) -> bool:
    """Whether a connection or its answer was lost, as happens; what else there is, is a fault of ours or the library's."""
    # to write where Redis has just hung up is an error of uvloop's own, which asyncio only notes
    hung_up = isinstance(error, RuntimeError) and str(error).endswith("the handler is closed")
    return hung_up or isinstance(error, RedisError | OSError)


class RedisLink:
    """Connections to one Redis, used from one event loop.

    Args:
        url: redis://, rediss:// or unix://.
        timeout_s: longest wait of one call.
        metrics: where calls are counted.
        breaker: when calls are given up.

    Raises:
        ValueError: the address is none of Redis.
    """

    def __init__(self, url: str, timeout_s: float, metrics: Metrics, breaker: Breaker | None = None) -> None:
        self._timeout_s = timeout_s
        # one try, without greetings: retries, HELLO and CLIENT SETINFO would each cost a part of what a call may wait
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=None,
            socket_timeout=None,
            socket_connect_timeout=_CONNECT_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._breaker = breaker or Breaker()
        self._state = metrics.redis_open
        self._count = {result: metrics.redis.labels(result) for result in ("ok", "skipped", "refused", "failed")}
        self._said: set[str] = set()
        self._probing: asyncio.Task[None] | None = None

    async def call(self, op: Callable[[Redis], Awaitable[T]]) -> T | None:
        """What *op* returns; None when Redis is not to be asked now, did not answer in time, or refused.

        What a call did whose answer did not come in time is not known: it may be done, or be done later.
        """
        if self._breaker.state != "closed":
            self._count["skipped"].inc()
            return None
        began, waits = time.monotonic(), _waits.get() or Waits()
        may_wait_s = self._timeout_s - waits.so_far(began)
        if may_wait_s <= 0:
            self._count["skipped"].inc()
            return None
        waits.begin(began)
        try:
            async with asyncio.timeout(may_wait_s):
                made = await op(self._redis)
        except ResponseError as error:
            # it answers, so it is there: full, read-only, a key of another type
            self._breaker.worked()
            self._refused(error)
            return None
        except Exception as error:  # noqa: BLE001 - see below
            # whatever the library makes of a broken connection, no request may fail of it
            self._failed(error, began, hurried=may_wait_s < self._timeout_s / 2)
            return None
        finally:
            waits.end(time.monotonic())
        self._breaker.worked()
        self._count["ok"].inc()
        return made

    async def close(self) -> None:
        """Let go of the connections."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._redis.aclose()

    def _refused(self, error: ResponseError) -> None:
        self._count["refused"].inc()
        # the code alone, which is in capitals: the rest may hold what was sent
        code = (str(error).split() or [""])[0][:20]
        kind = f"{type(error).__name__} {code}" if code.isupper() else type(error).__name__
        if kind not in self._said:
            self._said.add(kind)
            _log.warning("Redis refuses what it is asked for (%s): see its own log; this is said once", kind)

    def _failed(self, error: Exception, began: float, *, hurried: bool) -> None:
        self._count["failed"].inc()
        if not _is_lost(error) and type(error).__name__ not in self._said:
            self._said.add(type(error).__name__)
            _log.error("a call to Redis met an error that is none of Redis; this is said once", exc_info=error)
        if hurried and isinstance(error, TimeoutError):
            # it was not given the time that it may take
            return
        if not self._breaker.failed(began, time.monotonic()):
            return
        self._state.set(1)
        _log.warning("Redis does not answer (%s): going on without it until it does", type(error).__name__)
        self._probing = asyncio.get_running_loop().create_task(self._until_back(), context=Context())

    async def _until_back(self) -> None:
        began = time.monotonic()
        while self._breaker.state != "closed":
            await asyncio.sleep(self._breaker.pause_s)
            if self._breaker.probe_due(time.monotonic()):
                worked = await self._answers()
                self._breaker.probed(worked=worked, now=time.monotonic())
        self._state.set(0)
        _log.warning("Redis answers again, after %.1f s", time.monotonic() - began)

    async def _answers(self) -> bool:
        """Whether it answers as soon as calls need it to, once it is connected."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                await self._redis.ping()
            async with asyncio.timeout(self._timeout_s):
                await self._redis.ping()
        except Exception:  # noqa: BLE001 - as in `call`
            return False
        return True
