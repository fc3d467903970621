"""Which attributes a corpus gives to which things: an edit that nobody would say is told without the image.

Where some combinations never occur, as in the scenes, whose held-back ones training never shows, a swap makes captions
that are always false. A text tower then learns that these are wrong, whatever the image, and so they look wrong when
they are true at last.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from models.negatives.english import DETERMINERS, NUMBERS
from models.negatives.inflect import singular
from models.negatives.lexicon import Lexicon
from models.negatives.phrases import Parsed, parse

Pair = tuple[str, str]


@dataclass(frozen=True)
class Said:
    """Pairs of a word before a noun, and the noun in the singular, that a corpus has."""

    pairs: frozenset[Pair]

    @classmethod
    def learn(cls, captions: Iterable[str], lexicon: Lexicon) -> "Said":
        """Collect those of some captions."""
        return cls(frozenset(pair for caption in captions for pair in _pairs(parse(caption, lexicon))))

    @property
    def version(self) -> str:
        """Changes with the pairs."""
        return hashlib.sha256(repr(sorted(self.pairs)).encode()).hexdigest()[:16]

    def new_pairs(self, before: Parsed, after: Parsed) -> frozenset[Pair]:
        """What an edited caption says of a thing that neither the corpus nor the original does."""
        return frozenset(_pairs(after)) - self.pairs - frozenset(_pairs(before))


def _pairs(parsed: Parsed) -> list[Pair]:
    return [
        (word, singular(parsed.lower[phrase.head]))
        for phrase in parsed.phrases
        for place in phrase.modifiers
        if (word := parsed.lower[place]) not in DETERMINERS and word not in NUMBERS
    ]
