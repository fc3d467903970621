"""Bytes by key: a byte-bounded LRU in the process, Redis behind it.

Keys hold the whole of what a value depends on, hashed where it is long. What comes from Redis is checked to be what was put there
under that key; whatever is not, or does not come in time, is a miss. Redis is written behind the caller's back.
"""

import asyncio
import struct
import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import Context
from importlib.metadata import PackageNotFoundError, version

from redis.asyncio import Redis

from service.caching.redis_link import RedisLink
from service.operations import tracing
from service.operations.metrics import Metrics

# Goes up when the bytes of a value come to mean something else. A release shares nothing with another one either.
SCHEMA = 2
# What waits to be written, in all; beyond it values are not written, since a cache may forget.
MAX_PENDING_BYTES = 8 * 2**20
# One larger would keep Redis from the others for as long as they may wait.
MAX_VALUE_BYTES = 2**20
_BATCH_BYTES = 2**18
# Of CPython: two objects' heads, the entry of a dict, a link of an OrderedDict, a key in ASCII and bytes to their ends.
_ENTRY_OVERHEAD = 200
_SEAL = struct.Struct("<BI")


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
        metrics: where look-ups are counted.
        redis: None = no second layer.
        ttl_s: how long Redis keeps an entry.

    Attributes:
        memory: the layer in the process, for what is of use there only.
    """

    def __init__(self, capacity: int, metrics: Metrics, *, redis: RedisLink | None, ttl_s: int) -> None:
        self.memory = ByteLru(capacity)
        self._in_memory = {result: metrics.cache.labels("memory", result) for result in ("hit", "miss")}
        self._in_redis = {each: metrics.cache.labels("redis", each) for each in ("hit", "miss", "damaged", "skipped")}
        self._redis = redis
        self._ttl_s = ttl_s
        self._pending: dict[str, bytes] = {}
        self._pending_bytes = 0
        self._writer: asyncio.Task[None] | None = None

    @property
    def writing(self) -> bool:
        """Whether something that was put has not reached Redis yet."""
        return self._writer is not None and not self._writer.done()

    async def get(self, key: str) -> bytes | None:
        """The value of *key*, or None."""
        value = self.memory.get(key)
        self._in_memory["miss" if value is None else "hit"].inc()
        return await self._found(self._redis, key) if value is None and self._redis is not None else value

    def put(self, key: str, value: bytes) -> None:
        """Keep the value; Redis is written later. Called on the event loop."""
        self.memory.put(key, value)
        if self._redis is None or len(value) > MAX_VALUE_BYTES:
            return
        self._pending_bytes += len(value) - len(self._pending.pop(key, b""))
        self._pending[key] = value
        while self._pending_bytes > MAX_PENDING_BYTES:
            self._taken(next(iter(self._pending)))
        if not self.writing:
            # in no request's context: it writes for all of them
            loop = asyncio.get_running_loop()
            self._writer = loop.create_task(self._write(self._redis), context=Context())

    async def close(self) -> None:
        """Write no more."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    async def _found(self, link: RedisLink, key: str) -> bytes | None:
        with tracing.stage("cache"):
            # MGET: what is no string is not there to it, where to GET it would be an error
            answer = await link.call(lambda redis: redis.mget([_name(key)]))
        if answer is None:
            self._in_redis["skipped"].inc()
            return None
        (stored,) = answer
        value = None if stored is None else unsealed(key, stored)
        self._in_redis["miss" if stored is None else "damaged" if value is None else "hit"].inc()
        if value is not None:
            self.memory.put(key, value)
        return value

    async def _write(self, link: RedisLink) -> None:
        while self._pending:
            batch: dict[str, bytes] = {}
            size = 0
            while self._pending and size < _BATCH_BYTES:
                key = next(iter(self._pending))
                batch[key] = self._taken(key)
                size += len(batch[key])

            async def store(redis: Redis, batch: Mapping[str, bytes] = batch) -> None:
                async with redis.pipeline(transaction=False) as pipeline:
                    for key, value in batch.items():
                        pipeline.set(_name(key), sealed(key, value), ex=self._ttl_s)
                    await pipeline.execute()

            await link.call(store)

    def _taken(self, key: str) -> bytes:
        value = self._pending.pop(key)
        self._pending_bytes -= len(value)
        return value


def sealed(key: str, value: bytes) -> bytes:
    """*value* as it is stored under *key*: behind its schema, and a checksum (CRC-32) of both."""
    return _SEAL.pack(SCHEMA, _checksum(key, value)) + value


def unsealed(key: str, stored: object) -> bytes | None:
    """The value that was stored under *key*; None when it is not what `sealed` made of it."""
    if not isinstance(stored, bytes) or len(stored) < _SEAL.size:
        return None
    value = stored[_SEAL.size :]
    return value if (SCHEMA, _checksum(key, value)) == _SEAL.unpack_from(stored) else None


def _checksum(key: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key.encode()))


def _release() -> str:
    try:
        return version("vilem-search")
    except PackageNotFoundError:
        return "source"


_PREFIX = f"vilem:{SCHEMA}:{_release()}:"


def _name(key: str) -> str:
    """The name of *key* in Redis, where others may have theirs."""
    return _PREFIX + key.removeprefix("vilem:")
