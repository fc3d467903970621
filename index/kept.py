"""Values that were asked for last, as many as a bound of bytes allows."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class Kept(Generic[V]):
    """Values by key; safe to share between threads. The one that was made last stays, however large it is.

    Args:
        most: how many.
        most_bytes: together.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._values: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values)

    def of(self, key: Hashable, make: Callable[[], V], size: Callable[[V], int]) -> V:
        """The value of *key*; made, by each thread that asks before the first has it, where it is not kept.

        Args:
            key: what it is kept under.
            make: makes it; what it raises is raised, and nothing is kept.
            size: its bytes.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
        made = make()
        with self._lock:
            self._forget(key)
            self._values[key] = made, size(made)
            self._bytes += self._values[key][1]
            while len(self._values) > 1 and (len(self._values) > self._most or self._bytes > self._most_bytes):
                self._forget(next(iter(self._values)))
        return made

    def _forget(self, key: Hashable) -> None:
        self._bytes -= self._values.pop(key, (None, 0))[1]
