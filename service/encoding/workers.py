"""Threads for what must not run on the event loop: a queue whose items are calls, each a batch of its own."""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

from service.encoding.batching import MicroBatcher
from service.operations.metrics import Metrics

Made = TypeVar("Made")


class Workers:
    """A pool of threads.

    Args:
        threads: work done at a time.
        max_queue: most calls that may wait; what waits holds its input, which may be a picture of many megabytes.
        deadline_s: a call that has not begun by then is dropped.
        name: of the queue.
        metrics: where waits are counted.
        gives_way: see `MicroBatcher`.
    """

    def __init__(
        self, threads: int, *, max_queue: int, deadline_s: float, name: str, metrics: Metrics, gives_way: int = 0
    ) -> None:
        self._calls: MicroBatcher[Callable[[], Any], Any] = MicroBatcher(
            _call,
            name=name,
            max_batch=1,
            max_queue=max_queue,
            metrics=metrics,
            workers=threads,
            gives_way=gives_way,
        )
        self._deadline_s = deadline_s

    async def run(self, work: Callable[[], Made], max_wait_s: float = math.inf) -> Made:
        """The result of *work*, computed in one of the threads.

        Args:
            work: what is computed.
            max_wait_s: longest wait for others that is expected of somebody who watches; see `MicroBatcher`.

        Raises:
            QueueFull: too much is waiting, or it would wait too long.
            DeadlineExceeded: no thread became free in time.
            NotReady: the pool is closed.
        """
        return cast(Made, await self._calls.submit(work, self._deadline_s, max_wait_s))

    def close(self) -> None:
        """Drop what has not begun; do not wait for the rest."""
        self._calls.close(patience_s=0)


def _call(batch: list[Callable[[], Any]]) -> list[Any]:
    return [work() for work in batch]
