"""One collection as it is served; tests/service/test_runtime.py has the rest."""

import asyncio
from pathlib import Path

from service.encoding.embedding import Timings
from service.errors import QueueFull
from service.runtime import Runtime
from tests.service.test_runtime import is_served, until, with_runtime


def test_no_search_waits_longer_than_is_said(home: Path) -> None:
    """Behind more searches than two batches hold, one is refused for the wait that is expected, long before its deadline."""

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        served = runtime.served("colours")
        vector = (await runtime.embedder.text(served.model, "red", Timings(runtime.metrics))).vector
        batches = served.lookups._batches
        for _ in range(50):
            batches._cost.observe(1, 0.5)
        # all are there before any is taken
        with batches._arrived:
            asked = [asyncio.ensure_future(served.find(vector, 1, "images")) for _ in range(3)]
            await asyncio.sleep(0)
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [False, False, True] == [isinstance(each, QueueFull) for each in found]

    with_runtime(use, home, max_batch=1, max_wait_s=0.2)
