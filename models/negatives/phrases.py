"""A caption taken apart: tagged words, noun phrases, and what is denied in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from models.negatives.english import NEGATIONS
from models.negatives.lexicon import Lexicon, Tag
from models.negatives.words import Word, split_pieces, words_at

# articles and numbers have tags of their own
_IN_PHRASES: tuple[Tag, ...] = ("noun", "adjective")


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
        denials: places of the words shortly before which, in the same part of the sentence, "no", "not" or "without" stands.
    """

    text: str
    pieces: tuple[str, ...]
    lower: tuple[str, ...]
    tags: tuple[Tag, ...]
    broken: tuple[bool, ...]
    denials: frozenset[int]

    @property
    def words(self) -> tuple[Word, ...]:
        """(W) the words as they are written."""
        return words_at(self.pieces)

    @cached_property
    def phrases(self) -> tuple[NounPhrase, ...]:
        """Noun phrases in order, those that are denied left out."""
        return tuple(self._phrases(0, len(self.tags)))

    def phrase_of(self, place: int) -> NounPhrase | None:
        """The noun phrase that the word stands in."""
        for phrase in self.phrases:
            if phrase.head >= place:
                return phrase if phrase.start <= place else None
        return None

    def phrase_about(self, place: int) -> NounPhrase | None:
        """The noun phrase whose noun the word is."""
        if self.tags[place] != "noun":
            return None
        phrase = self.phrase_of(place)
        return phrase if phrase is not None and phrase.head == place else None

    def says(self, modifier: str, noun: str) -> bool:
        """Whether a phrase gives the modifier to such a thing; both in lower case."""
        words = self.lower
        return any(modifier in words[start:head] for start, head in self.phrases if words[head] == noun)

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
        """Whether the word is among the `denials`."""
        return place in self.denials

    def written(self, start: int, stop: int) -> str:
        """Words *start* to *stop* (exclusive) in lower case, one space between."""
        return " ".join(self.lower[start:stop])

    def _inside(self, place: int) -> bool:
        """Whether the word may stand in a noun phrase."""
        return self.tags[place] in _IN_PHRASES

    def _phrases(self, first: int, last: int) -> list[NounPhrase]:
        """Noun phrases of the runs of such words that begin at word *first*, or after it and not after *last*."""
        found: list[NounPhrase] = []
        # of the run that is open: its first word and its last noun
        start = head = -1
        for place in range(first, len(self.tags)):
            tag = self.tags[place]
            inside = tag in _IN_PHRASES
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
    return Parsed(text, tuple(pieces), lower, lexicon.tag(lower, broken), broken, _denials(lower, broken))


def _denials(words: Sequence[str], broken: Sequence[bool]) -> frozenset[int]:
    # most captions deny nothing
    if NEGATIONS.isdisjoint(words):
        return frozenset()
    found: set[int] = set()
    for place, word in enumerate(words):
        if word in NEGATIONS:
            for after in range(place + 1, min(place + 4, len(words))):
                if broken[after]:
                    break
                found.add(after)
    return frozenset(found)


# an edited caption is taken apart to be judged, and again where it is edited once more: those of a batch are kept, 4 MB.
# captions of a corpus return after so many others that only a third of a gigabyte for 100,000 of them would help, and several
# thousand cost more in the processor's cache than they save
@lru_cache(maxsize=1024)
def parsed_once(text: str, lexicon: Lexicon) -> Parsed:
    """What `parse` gives, kept for when the same text comes again soon."""
    return parse(text, lexicon)
