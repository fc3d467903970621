"""A caption taken apart: tagged words, noun phrases, and what is denied in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from models.negatives.english import DETERMINERS, NEGATIONS
from models.negatives.lexicon import Lexicon, Tag
from models.negatives.words import Word, split_words


@dataclass(frozen=True)
class NounPhrase:
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
        words: (W).
        lower: (W) the words in lower case.
        tags: (W) their parts of speech.
        broken: (W) True where something other than space stands before the word.
    """

    text: str
    words: tuple[Word, ...]
    lower: tuple[str, ...]
    tags: tuple[Tag, ...]
    broken: tuple[bool, ...]

    @cached_property
    def phrases(self) -> tuple[NounPhrase, ...]:
        """Noun phrases in order, those that are denied left out."""
        return tuple(each for each in _noun_phrases(self) if not self.denied(each.start))

    def denied(self, place: int) -> bool:
        """Whether "no", "not" or "without" stands shortly before the word, in the same part of the sentence."""
        for before in range(place, max(-1, place - 4), -1):
            if before < place and self.lower[before] in NEGATIONS:
                return True
            if self.broken[before]:
                return False
        return False

    def written(self, start: int, stop: int) -> str:
        """Words *start* to *stop* (exclusive) in lower case, one space between."""
        return " ".join(self.lower[start:stop])


def parse(text: str, lexicon: Lexicon) -> Parsed:
    """Take a caption apart."""
    words = split_words(text)
    lower = tuple(word.text.lower() for word in words)
    broken = breaks(text, words)
    return Parsed(text, words, lower, lexicon.tag(lower, broken), broken)


def breaks(text: str, words: Sequence[Word]) -> tuple[bool, ...]:
    """For each word whether punctuation, or nothing at all, stands before it."""
    ends = [0, *(word.end for word in words)]
    return tuple(
        not place or bool(text[ends[place] : word.start].strip()) for place, word in enumerate(words)
    )  # fmt: skip


def _noun_phrases(parsed: Parsed) -> list[NounPhrase]:
    found: list[NounPhrase] = []
    place = 0
    while place < len(parsed.words):
        end = place
        while end < len(parsed.words) and _inside(parsed, place, end):
            end += 1
        nouns = [each for each in range(place, end) if parsed.tags[each] == "noun"]
        if nouns:
            found.append(NounPhrase(place, nouns[-1]))
        place = max(end, place + 1)
    return found


def _inside(parsed: Parsed, start: int, place: int) -> bool:
    if parsed.tags[place] not in ("noun", "adjective") or parsed.lower[place] in DETERMINERS:
        return False
    return place == start or not parsed.broken[place]
