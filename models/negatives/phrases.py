"""A caption taken apart: tagged words, noun phrases, and what is denied in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from models.negatives.english import NEGATIONS
from models.negatives.lexicon import Lexicon, Tag
from models.negatives.words import Word, split_pieces, words_at


class NounPhrase(NamedTuple):
    """Words *start* to *head*, modifiers then a noun; *start* is after the article or number."""

    start: int
    head: int

    @property
    def modifiers(self) -> range:
        """Places of the words before the noun."""
        return range(self.start, self.head)


@dataclass(frozen=True)
class Parsed:
    """A caption of W words.

    Attributes:
        text: as it was written.
        pieces: (2 W + 1) the text cut at its words, see `split_pieces`.
        lower: (W) the words in lower case.
        tags: (W) their parts of speech.
        broken: (W) True where something other than space stands before the word.
    """

    text: str
    pieces: tuple[str, ...]
    lower: tuple[str, ...]
    tags: tuple[Tag, ...]
    broken: tuple[bool, ...]

    @property
    def words(self) -> tuple[Word, ...]:
        """(W) the words as they are written."""
        return words_at(self.pieces)

    @cached_property
    def phrases(self) -> tuple[NounPhrase, ...]:
        """Noun phrases in order, those that are denied left out."""
        return tuple(self._phrases(0, len(self.tags)))

    @cached_property
    def said(self) -> frozenset[tuple[str, str]]:
        """Every (modifier, noun) of a phrase, in lower case."""
        words = self.lower
        return frozenset([(words[place], words[head]) for start, head in self.phrases for place in range(start, head)])

    @cached_property
    def phrase_of(self) -> dict[int, NounPhrase]:
        """The noun phrase that a word stands in, by the word's place."""
        return {place: phrase for phrase in self.phrases for place in range(phrase.start, phrase.head + 1)}

    def is_head(self, place: int) -> bool:
        """Whether the word is the noun that a phrase is about."""
        return self.tags[place] == "noun" and place in self.phrase_of and self.phrase_of[place].head == place

    def phrases_near(self, places: Sequence[int]) -> list[NounPhrase]:
        """Those that other words at some places, in order, could make others than they are, or could have made such."""
        found: list[NounPhrase] = []
        for place in places:
            # a word decides the tags on both sides of it, these where a phrase begins and ends, and it may deny the
            # phrases that begin up to three words after it
            first, last = max(0, place - 2), place + 3
            while first and self._inside(first) and self._inside(first - 1) and not self.broken[first]:
                first -= 1
            found += self._phrases(first, last)
        return list(dict.fromkeys(found))

    def denied(self, place: int) -> bool:
        """Whether "no", "not" or "without" stands shortly before the word, in the same part of the sentence."""
        return place in self.denials

    @cached_property
    def denials(self) -> frozenset[int]:
        """Places of the words that are denied."""
        found: set[int] = set()
        for place, word in enumerate(self.lower):
            if word in NEGATIONS:
                for after in range(place + 1, min(place + 4, len(self.lower))):
                    if self.broken[after]:
                        break
                    found.add(after)
        return frozenset(found)

    def written(self, start: int, stop: int) -> str:
        """Words *start* to *stop* (exclusive) in lower case, one space between."""
        return " ".join(self.lower[start:stop])

    def _inside(self, place: int) -> bool:
        """Whether the word may stand in a noun phrase: articles and numbers have tags of their own."""
        return self.tags[place] in ("noun", "adjective")

    def _phrases(self, first: int, last: int) -> list[NounPhrase]:
        """Noun phrases of the runs of such words that begin at word *first*, or after it and not after *last*."""
        found: list[NounPhrase] = []
        # of the run that is open: its first word and its last noun
        start = head = -1
        for place in range(first, len(self.tags)):
            tag = self.tags[place]
            inside = tag in ("noun", "adjective")
            if start >= 0 and (not inside or self.broken[place]):
                if head >= 0 and start not in self.denials:
                    found.append(NounPhrase(start, head))
                start = head = -1
            if start < 0 and place > last:
                break
            if inside:
                start = place if start < 0 else start
                head = place if tag == "noun" else head
        if head >= 0 and start not in self.denials:
            found.append(NounPhrase(start, head))
        return found


def parse(text: str, lexicon: Lexicon) -> Parsed:
    """Take a caption apart."""
    pieces = split_pieces(text)
    # most captions are in lower case as they are
    lower = tuple(pieces[1::2] if text == text.lower() else [word.lower() for word in pieces[1::2]])
    # most stand one space apart
    broken = (True, *[gap != " " and bool(gap.strip()) for gap in pieces[2:-1:2]]) if lower else ()
    return Parsed(text, tuple(pieces), lower, lexicon.tag(lower, broken), broken)


# an edited caption is taken apart to be judged, and again where it is edited once more; the captions of a few thousand
# pictures return every epoch, those of more seldom before others have taken their place: 15 to 30 MB
@lru_cache(maxsize=4096)
def parsed_once(text: str, lexicon: Lexicon) -> Parsed:
    """What `parse` gives, kept for when the same text comes again soon."""
    return parse(text, lexicon)
