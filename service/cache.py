"""Bytes by key: a byte-bounded LRU in the process, Redis behind it.

Redis is a help, never a need: an operation waits at most a few milliseconds, a failure is a miss, and after one the
cache goes on without Redis for a while. Keys are hashes of the whole input; values are checked by whoever reads them.
"""

import asyncio
import threading
import time
from collections import OrderedDict

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from service.metrics import Metrics

# After a failure Redis is left alone for so long: each try may cost a request redis_timeout_s.
PAUSE_S = 2.0
# Writes under way at a time; beyond it they are dropped, since a cache may forget.
MAX_WRITES = 256
_ENTRY_OVERHEAD = 200


class ByteLru:
    """At most *capacity* bytes of the most recently used entries; safe to share between threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes_held(self) -> int:
        """Bytes of keys, values and their bookkeeping."""
        return self._bytes

    def get(self, key: str) -> bytes | None:
        """The value, which becomes the most recent."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: str, value: bytes) -> None:
        """Keep the value; the least recent ones give way. A value above the capacity is not kept."""
        cost = _cost(key, value)
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._bytes -= _cost(key, old)
            if cost > self._capacity:
                return
            self._entries[key] = value
            self._bytes += cost
            while self._bytes > self._capacity:
                gone, dropped = self._entries.popitem(last=False)
                self._bytes -= _cost(gone, dropped)


def _cost(key: str, value: bytes) -> int:
    return len(key) + len(value) + _ENTRY_OVERHEAD


class Cache:
    """The two layers.

    Args:
        capacity: bytes of the layer in the process.
        metrics: where hits, misses and errors are counted.
        redis_url: None = no second layer.
        timeout_s: longest wait for one Redis operation.
        ttl_s: how long Redis keeps an entry.
    """

    def __init__(self, capacity: int, metrics: Metrics, *, redis_url: str | None, timeout_s: float, ttl_s: int) -> None:
        self._memory = ByteLru(capacity)
        self._count = metrics.cache
        self._timeout_s = timeout_s
        self._ttl_s = ttl_s
        self._redis = None if redis_url is None else Redis.from_url(redis_url, socket_connect_timeout=timeout_s)
        self._paused_until = 0.0
        self._writes: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> bytes | None:
        """The value of *key*, or None."""
        value = self._memory.get(key)
        self._count.labels("memory", "miss" if value is None else "hit").inc()
        if value is not None or self._redis is None:
            return value
        if time.monotonic() < self._paused_until:
            self._count.labels("redis", "skipped").inc()
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                value = await self._redis.get(key)
        except ResponseError:
            # it answers, so it is there: a key of another type is a miss, and no reason to do without the others
            self._count.labels("redis", "error").inc()
            return None
        except (RedisError, OSError, TimeoutError):
            self._pause()
            return None
        self._count.labels("redis", "miss" if value is None else "hit").inc()
        if isinstance(value, bytes):
            self._memory.put(key, value)
            return value
        return None

    def put(self, key: str, value: bytes) -> None:
        """Keep the value; Redis is written behind the caller's back."""
        self._memory.put(key, value)
        if self._redis is None or time.monotonic() < self._paused_until or len(self._writes) >= MAX_WRITES:
            return
        task = asyncio.get_running_loop().create_task(self._write(self._redis, key, value))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def close(self) -> None:
        """Let go of the connections."""
        for task in self._writes:
            task.cancel()
        if self._redis is not None:
            await self._redis.aclose()

    async def _write(self, redis: Redis, key: str, value: bytes) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await redis.set(key, value, ex=self._ttl_s)
        except ResponseError:
            # full, or read-only
            self._count.labels("redis", "error").inc()
        except (RedisError, OSError, TimeoutError):
            self._pause()

    def _pause(self) -> None:
        self._count.labels("redis", "error").inc()
        self._paused_until = time.monotonic() + PAUSE_S
