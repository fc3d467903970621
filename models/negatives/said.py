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
from models.negatives.phrases import NounPhrase, Parsed, parse

Pair = tuple[str, str]


@dataclass(frozen=True)
class Said:
    """Pairs of a word before a noun, and the noun in the singular, that a corpus has."""

    pairs: frozenset[Pair]

    @classmethod
    def learn(cls, captions: Iterable[str], lexicon: Lexicon) -> "Said":
        """Collect those of some captions."""
        parsed = (parse(caption, lexicon) for caption in captions)
        return cls(frozenset(pair for each in parsed for pair in _pairs(each, each.phrases)))

    @property
    def version(self) -> str:
        """Changes with the pairs."""
        return hashlib.sha256(repr(sorted(self.pairs)).encode()).hexdigest()[:16]

    def new_pairs(self, before: Parsed, after: Parsed) -> frozenset[Pair]:
        """What an edited caption says of a thing that neither the corpus nor the original does."""
        new = _pairs(after, _touched(before, after)) - self.pairs
        return frozenset(new - _pairs(before, before.phrases)) if new else frozenset()


def _touched(before: Parsed, after: Parsed) -> Iterable[NounPhrase]:
    """The noun phrases of an edited caption that may say what the original does not: no changed word is near the others."""
    if before.broken != after.broken:
        return after.phrases
    both = enumerate(zip(before.lower, after.lower, strict=True))
    return after.phrases_near([place for place, (was, now) in both if was != now])


def _pairs(parsed: Parsed, phrases: Iterable[NounPhrase]) -> set[Pair]:
    return {
        (word, singular(parsed.lower[head]))
        for start, head in phrases
        for word in parsed.lower[start:head]
        if word not in DETERMINERS and word not in NUMBERS
    }
