"""What one key may use: requests a second, and requests under way at a time; over all replicas where there is Redis.

Each process counts what it let in itself; Redis adds what the others did. So a process refuses what is too much already by its
own count without asking, and while Redis is away its own count alone decides: at most as many times the limit as there are
replicas, and never an error.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass, replace

from redis.asyncio import Redis

from service.caching import redis_link
from service.caching.redis_link import RedisLink
from service.errors import AsksTooMuch, OverConcurrency, OverRate, ServiceError
from service.guard.keys import ApiKey
from service.guard.rates import SECOND, Rate, spend

# What a replica holds that was killed is free again after so long; no request takes longer to send and to answer, but for a
# video that is watched: that counts no more then.
LEASE_S = 300
# A place that Redis did not hear of is given back again after so long; so many at most wait for that.
_AGAIN_S = 0.5
_MOST_OWED = 1000

# One step for Redis, so that no other comes between. `spend` in its words; places are a set of who holds them, until when.
_ENTER = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local step, burst, most, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
local cost = tonumber(ARGV[6]) * step
if most > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  if redis.call('ZCARD', KEYS[2]) >= most then return {1, 0, 0} end
end
local remaining = 0
if step > 0 then
  local room = burst * step
  local full_at = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now), now + room)
  local wait = full_at + cost - room - now
  if wait > 0 then return {0, wait, 0} end
  remaining = math.floor(-wait / step)
  redis.call('SET', KEYS[1], string.format('%.0f', full_at + cost), 'PX', math.ceil((full_at + cost - now) / 1000))
end
if most > 0 then
  redis.call('ZADD', KEYS[2], now + lease, ARGV[4])
  redis.call('PEXPIRE', KEYS[2], math.ceil(lease / 1000))
end
return {0, 0, remaining}
"""


@dataclass
class Entry:
    """One request that was let in; `Quotas.leave` wants it back.

    Attributes:
        key: whose it is.
        lease: its place among those under way.
        remaining: requests that may still come at once; None where no rate is set. `Quotas.charge` makes it less.
        shared: whether Redis was asked, and so may hold its place.
    """

    key: ApiKey
    lease: str
    remaining: int | None
    shared: bool = False


@dataclass
class _Used:
    """What this process let in for one key."""

    full_at: int = 0
    running: int = 0


class Quotas:
    """The counts of all keys; used from one event loop.

    Args:
        link: to Redis; None = this process counts alone.
    """

    def __init__(self, link: RedisLink | None) -> None:
        self._link = link
        self._used: dict[str, _Used] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def enter(self, key: ApiKey) -> Entry:
        """Let one request in.

        Raises:
            OverRate, OverConcurrency: it is too much for the key.
        """
        entry = Entry(key, uuid.uuid4().hex, None)
        if key.rate is None and key.concurrency is None:
            return entry
        used = self._used.setdefault(key.id, _Used())
        if key.concurrency is not None and used.running >= key.concurrency:
            raise _over_concurrency(key)
        entry.remaining = _spend_here(key, used, 1)
        used.running += 1
        if self._link is None:
            return entry
        try:
            entry = await self._enter_shared(self._link, entry)
        except ServiceError:
            # refused by what others let in: what it took here is given back
            used.running -= 1
            _give_back(key, used, 1)
            raise
        except BaseException:
            # its client left meanwhile, and what Redis was asked it may still do
            self.leave(replace(entry, shared=True))
            raise
        return entry

    async def charge(self, entry: Entry, count: int) -> None:
        """Count a request that was let in as *count*, now that it is known how many it holds.

        Raises:
            AsksTooMuch: no request of this key may hold so many.
            OverRate: it is too much now.
        """
        key, more = entry.key, count - 1
        if key.rate is None or more < 1:
            return
        rate = Rate.of(key.rate)
        if count > rate.burst:
            raise AsksTooMuch(
                f"the request counts as {count}, and this key may ask for {rate.burst} at a time: send at most "
                f"{rate.burst} in one request"
            )
        used = self._used[key.id]
        try:
            left = _spend_here(key, used, more)
            if self._link is None:
                entry.remaining = left
                return
            try:
                entry.remaining = await self._spend_shared(self._link, key, more, left)
            except ServiceError:
                _give_back(key, used, more)
                raise
        except OverRate as error:
            # who comes again pays for being let in once more
            raise _over_rate(key, round(error.wait_s * SECOND) + rate.step) from None

    def leave(self, entry: Entry) -> None:
        """A request that was let in is over."""
        key = entry.key
        if key.rate is None and key.concurrency is None:
            return
        self._used[key.id].running -= 1
        if self._link is not None and key.concurrency is not None and entry.shared:
            task = asyncio.get_running_loop().create_task(self._leave_shared(self._link, entry))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _leave_shared(self, link: RedisLink, entry: Entry) -> None:
        """Free the place, again and again until Redis has heard of it: else it would be taken for as long as a lease."""

        async def leave(redis: Redis) -> int:
            return await redis.zrem(_names(entry.key)[1], entry.lease)

        until = time.monotonic() + LEASE_S
        # a wait of its own: its request may have waited for Redis for as long as one may
        redis_link.begin_request()
        while await link.call(leave) is None and time.monotonic() < until and len(self._leaving) <= _MOST_OWED:
            await asyncio.sleep(_AGAIN_S)
            redis_link.begin_request()

    async def _enter_shared(self, link: RedisLink, entry: Entry) -> Entry:
        """The entry as Redis knows it; as it is where Redis did not answer."""
        key, asked = entry.key, False
        rate = Rate(0, 0) if key.rate is None else Rate.of(key.rate)
        given = (rate.step, rate.burst, key.concurrency or 0, entry.lease, LEASE_S * SECOND, 1)
        names = _names(key)

        async def enter(redis: Redis) -> list[int]:
            nonlocal asked
            asked = True
            return await redis.eval(_ENTER, len(names), *names, *given)

        answer = await link.call(enter)
        if answer is None:
            return replace(entry, shared=asked)
        full, wait, remaining = answer
        if full:
            raise _over_concurrency(key)
        if wait:
            raise _over_rate(key, wait)
        return replace(entry, remaining=None if key.rate is None else remaining, shared=True)

    async def _spend_shared(self, link: RedisLink, key: ApiKey, cost: int, remaining: int | None) -> int | None:
        """What remains of the rate, as Redis knows it; *remaining* where it did not answer."""
        assert key.rate is not None, "what is charged has a rate"
        rate, names = Rate.of(key.rate), _names(key)
        # no place: the request has one
        given = (rate.step, rate.burst, 0, "", 0, cost)
        answer = await link.call(lambda redis: redis.eval(_ENTER, len(names), *names, *given))
        if answer is None:
            return remaining
        _, wait, left = answer
        if wait:
            raise _over_rate(key, wait)
        return left


def _spend_here(key: ApiKey, used: _Used, cost: int) -> int | None:
    """Take so much of the key's rate, and tell what remains; None where no rate is set."""
    if key.rate is None:
        return None
    verdict = spend(used.full_at, time.monotonic_ns() // 1000, Rate.of(key.rate), cost)
    if verdict.wait:
        raise _over_rate(key, verdict.wait)
    used.full_at = verdict.full_at
    return verdict.remaining


def _give_back(key: ApiKey, used: _Used, cost: int) -> None:
    used.full_at -= 0 if key.rate is None else cost * Rate.of(key.rate).step


def _names(key: ApiKey) -> tuple[str, str]:
    # braces: both on one node of a cluster
    return f"vilem:rate:{{{key.id}}}", f"vilem:running:{{{key.id}}}"


def _over_concurrency(key: ApiKey) -> OverConcurrency:
    return OverConcurrency(f"{key.concurrency} requests of this key are under way: wait until one is answered")


def _over_rate(key: ApiKey, wait: int) -> OverRate:
    return OverRate(f"this key may ask {key.rate:g} times a second: send it again later", wait / SECOND)
