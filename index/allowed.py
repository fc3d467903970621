"""Which positions of an index may be answers, with what searches work out of that: it is worked out once."""

from functools import cached_property

import numpy as np

# so many positions tell where the allowed ones lie; 16,384 are counted in a tenth of a millisecond
SAMPLE = 16_384


class Allowed:
    """A mask over N positions; immutable, safe to share between threads.

    Args:
        mask: (N,) bool, which may be answers; not copied, and not to be changed any more.
    """

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = np.asarray(mask, np.bool_)[:]
        self.mask.flags.writeable = False

    def __len__(self) -> int:
        """N."""
        return len(self.mask)

    @cached_property
    def count(self) -> int:
        """How many positions are allowed."""
        return int(np.count_nonzero(self.mask))

    @property
    def most_bytes(self) -> int:
        """What it may come to hold, while `positions` is asked for of few alone."""
        return len(self.mask) * 3 // 2 + 16 * SAMPLE

    @cached_property
    def positions(self) -> np.ndarray:
        """(count,) int64, rising."""
        return np.flatnonzero(self.mask)

    @cached_property
    def packed(self) -> np.ndarray:
        """(ceil(N / 8),) uint8, the first position in the lowest bit: FAISS's form."""
        return np.packbits(self.mask, bitorder="little")

    @cached_property
    def sample(self) -> np.ndarray:
        """Some of the positions, rising, from all over the mask: about 16,384, at most twice as many, or all."""
        # odd: no rhythm of the storage order, which is one of twos and tens, is met
        step = max(1, self.count // SAMPLE) | 1
        return np.flatnonzero(self.mask[::step]) * step
