"""Words that may stand in one another's place, to draw from."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import numpy as np


class Pool:
    """Words to draw from in place of one of them, or of another.

    Args:
        words: to draw, each once.
        counts: of words in a corpus, 1 where it has none; None where all are alike.

    Attributes:
        words: as given.
    """

    def __init__(self, words: Sequence[str], counts: Mapping[str, int] | None = None) -> None:
        self.words = tuple(words)
        self._known = frozenset(self.words)
        # the root: frequent words alone would teach that they are wrong, rare ones alone that these are right
        self._until = None if counts is None else list(accumulate(counts.get(word, 1) ** 0.5 for word in self.words))

    def has_other(self, word: str) -> bool:
        """Whether there is any word but this one."""
        return len(self.words) > (word in self._known)

    def draw(self, word: str, most: int, rng: np.random.Generator) -> Iterator[str]:
        """At most *most* words other than *word*, which must have another: distinct ones, or by their counts any.

        Each is drawn when it is asked for: most often the first will do.
        """
        out = {word}
        for _ in range(min(most, len(self.words) - (word in self._known)) if self._until is None else most):
            drawn = self._any(rng)
            # none is drawn twice, and few are out: what is drawn again is as good as drawn from the others alone
            while drawn in out:
                drawn = self._any(rng)
            if self._until is None:
                out.add(drawn)
            yield drawn

    def _any(self, rng: np.random.Generator) -> str:
        if self._until is None:
            return self.words[int(rng.random() * len(self.words))]
        return self.words[bisect_right(self._until, rng.random() * self._until[-1])]
