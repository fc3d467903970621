"""Searches that were answered before: the answer is kept in the process as ready bytes, and found by the bytes of the request."""

import hashlib
import time
from itertools import count
from weakref import WeakKeyDictionary

from service.caching.cache import ByteLru
from service.operations.metrics import Metrics
from service.schemas.hits import SearchAnswer
from service.served import Served

_END = b"{}}"


class Answers:
    """Answers by collection and request.

    Args:
        memory: where they are kept, beside other things.
        metrics: where look-ups are counted.
    """

    def __init__(self, memory: ByteLru, metrics: Metrics) -> None:
        self._memory = memory
        self._numbers: WeakKeyDictionary[Served, int] = WeakKeyDictionary()
        self._next = count()
        self._hits, self._misses = (metrics.cache.labels("answers", result) for result in ("hit", "miss"))
        self._total = metrics.stage.labels("total")

    def key(self, served: Served, question: bytes) -> str:
        """Of a request's body to a collection as it is at one moment: whatever is written, the next moment has other keys."""
        number = self._numbers.get(served)
        if number is None:
            number = self._numbers[served] = next(self._next)
        return f"vilem:a:{number}:{hashlib.sha256(question).hexdigest()}"

    def find(self, key: str, began: float) -> bytes | None:
        """The JSON of the answer, as it took since *began* (of `time.perf_counter`)."""
        kept = self._memory.get(key)
        if kept is None:
            return None
        self._hits.inc()
        seconds = time.perf_counter() - began
        self._total.observe(seconds)
        return b'%b{"total":%.3f}}' % (kept, 1000 * seconds)

    def keep(self, key: str, answer: SearchAnswer) -> None:
        """Keep an answer for requests to come: as a cached one, which took the time that it will take.

        That is when a look-up counts as missed: what can never be kept was not missed.
        """
        self._misses.inc()
        written = answer.model_copy(update={"cached": True, "took_ms": {}}).model_dump_json().encode()
        assert written.endswith(_END), "took_ms is the last field of an answer"
        self._memory.put(key, written.removesuffix(_END))
