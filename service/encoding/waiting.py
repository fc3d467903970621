"""What a batch will cost, learned from those that ran, and who is refused for it. No clock, no lock, no queue."""

import math
from dataclasses import dataclass

# A batch counts for a tenth of what is known: twenty of them say what the machine does now.
_WEIGHT = 0.1


@dataclass
class BatchCost:
    """Seconds of a batch as a + b x, for a batch of size x, fitted to those that ran.

    Least squares whose weights fall by a tenth with every batch (West, "Updating mean and variance estimates", CACM
    22(9), 1979). Neither a nor b is ever negative: a larger batch is never said to be cheaper.
    """

    _seen: int = 0
    _size: float = 0.0
    _seconds: float = 0.0
    _spread: float = 0.0
    _shared: float = 0.0

    def observe(self, size: float, seconds: float) -> None:
        """A batch of that size took so long."""
        self._seen += 1
        # the first ones count alike: else the very first would count for most of them
        weight = max(_WEIGHT, 1 / self._seen)
        off_size, off_seconds = size - self._size, seconds - self._seconds
        self._spread = (1 - weight) * (self._spread + weight * off_size**2)
        self._shared = (1 - weight) * (self._shared + weight * off_size * off_seconds)
        self._size += weight * off_size
        self._seconds += weight * off_seconds

    @property
    def each(self) -> float:
        """b: seconds for one more in a batch."""
        if self._size <= 0:
            return 0.0
        most = self._seconds / self._size
        # batches of one size do not tell a from b: all is laid on the size, which overstates large batches
        if self._spread <= 1e-6 * self._size**2:
            return most
        return min(max(self._shared / self._spread, 0.0), most)

    @property
    def overhead(self) -> float:
        """a: seconds of a batch, however small."""
        return max(self._seconds - self.each * self._size, 0.0)

    def of(self, size: float) -> float:
        """Seconds that a batch of that size will take; 0 before any has run."""
        return self.overhead + self.each * size


@dataclass(frozen=True)
class Ahead:
    """What a new item finds when it comes to a queue.

    Attributes:
        items: that will be served before it.
        size: of these, together.
        counted: items before it, and of those being served the ones that somebody watches; no probes.
        running_s: until a worker is free.
        workers: that serve the queue.
        max_batch: items that share a batch.
    """

    items: int
    size: float
    counted: int
    running_s: float
    workers: int
    max_batch: int

    def wait_s(self, cost: BatchCost, size: float) -> float:
        """Seconds until an item of that size will have been computed.

        Those just before it share its batch, which one worker computes whole; only batches before that are shared out.
        """
        company = min(self.items, self.max_batch - 1)
        earlier = self.items - company
        usual = self.size / self.items if self.items else 0.0
        before = cost.overhead * math.ceil(earlier / self.max_batch) + cost.each * usual * earlier
        return self.running_s + before / self.workers + cost.of(usual * company + size)

    @property
    def is_near(self) -> bool:
        """Whether it and all that count are no more than two batches: one that runs, and one that gathers meanwhile.

        Two for each worker, where batches are smaller than the workers are many.
        """
        return self.counted < 2 * max(self.max_batch, self.workers)


def is_refused(wait_s: float, *, others_s: float, limit_s: float, deadline_s: float, is_near: bool) -> bool:
    """Whether an item is refused rather than let wait.

    While a batch runs the next one gathers: a slow machine cannot do without, so only the deadline bounds that. It bounds
    the whole wait; the limit is of what is waited for *others*, for a request that was let in is let in whole.
    """
    return wait_s > deadline_s or (others_s > limit_s and not is_near)
