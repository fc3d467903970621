"""What the packets of a video file tell of its frames before one is decoded: how many, when, and which need no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# in place of a time that a packet does not have
UNTIMED = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Outline:
    """The packets of a file in the order of decoding.

    A *position* counts the frames that are shown, from 0, in the order of showing.

    Attributes:
        ticks: (P,) int64, when the frame of each packet is shown; `UNTIMED` where the file does not tell.
        keys: (P,) bool, whether it can be decoded alone.
        shown: (P,) bool, whether it is shown at all.
        delay: how many packets a decoder takes in before it gives the first frame, where frames are reordered.
    """

    ticks: np.ndarray
    keys: np.ndarray
    shown: np.ndarray
    delay: int = 0

    @cached_property
    def count(self) -> int:
        """Number of frames that are shown."""
        return int(self.shown.sum())

    @cached_property
    def span(self) -> tuple[int, int] | None:
        """The first and the last time that any frame has, in ticks; None where none has one."""
        given = self._given
        return (int(given.min()), int(given.max())) if len(given) else None

    @cached_property
    def times(self) -> np.ndarray:
        """(count,) int64, when each position is shown, rising; empty where the packets' times are not their frames'.

        Frames need a time each. Where decoding reorders them and their times do not (AVI), the times are not theirs.
        """
        given = self._given
        rising = np.unique(given)
        timed = len(rising) == self.count and not (self.delay and np.array_equal(given, rising))
        return rising if timed else np.zeros(0, np.int64)

    @cached_property
    def key_positions(self) -> np.ndarray:
        """Positions of the shown frames that can be decoded alone, rising; empty where that cannot be told."""
        keys = self.ticks[self.keys & self.shown]
        if len(self.times):
            return np.searchsorted(self.times, np.sort(keys))
        return np.zeros(0, np.int64) if self.delay else np.flatnonzero(self.keys[self.shown])

    def start(self, position: int) -> int:
        """Number of the packet from which the frame at *position* can be decoded."""
        if not len(self.times):
            return 0
        before = int(np.searchsorted(self._key_ticks, self.times[position], side="right"))
        return int(self._key_packets[before - 1]) if before else 0

    def packets_to_decode(self, positions: Sequence[int] | np.ndarray) -> int:
        """How many packets it takes to decode the frames at those positions, which rise; an upper bound."""
        fed = total = 0
        for position in np.unique(np.asarray(positions, np.int64)).tolist():
            start = max(self.start(position), fed)
            end = min(self._packet_of(position) + 1 + self.delay, len(self.ticks))
            total += max(0, end - start)
            fed = max(end, start)
        return total

    @cached_property
    def _given(self) -> np.ndarray:
        ticks = self.ticks[self.shown]
        return ticks[ticks != UNTIMED]

    @cached_property
    def _order(self) -> np.ndarray:
        """(count,) number of the packet of each position."""
        packets = np.flatnonzero(self.shown)
        return packets[np.argsort(self.ticks[packets], kind="stable")] if len(self.times) else packets

    @cached_property
    def _key_packets(self) -> np.ndarray:
        return np.flatnonzero(self.keys & (self.ticks != UNTIMED))

    @cached_property
    def _key_ticks(self) -> np.ndarray:
        return self.ticks[self._key_packets]

    def _packet_of(self, position: int) -> int:
        return int(self._order[position])
