"""Edits that put another word in a word's place: relations, counts, attributes, objects, words of the batch."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from models.negatives.edited import Replacement
from models.negatives.english import (
    ADVERBS,
    ATTRIBUTE_CLASS,
    DETERMINERS,
    EMPTY_NOUNS,
    FLIPS,
    NEGATIONS,
    NOT_UNDER,
    NUMBERS,
    PARTICLE_VERBS,
    PRONOUNS,
)
from models.negatives.inflect import is_plural, plural, singular
from models.negatives.lexicon import Lexicon, Tag
from models.negatives.phrases import Parsed
from models.negatives.pools import Pool

Replacements = tuple[Replacement, ...]
# words of one class can stand in each other's place: class of attribute, else part of speech and ending; plural or not
WordClass = tuple[str, bool]
# how many words are drawn for one place: some are refused by the filters
_DRAWN = 4
# after other stop-words a number may be no count: "this one", "no one", "each one"
_NO_COUNT_AFTER = (DETERMINERS | NEGATIONS | PRONOUNS | ADVERBS) - {"all", "the", "exactly"}
# without a thing after them these are part of a verb: "dressed up", "walks on"
_NEED_A_THING = frozenset(("on", "over", "under", "up", "down", "inside", "outside", "into", "onto"))
_head = attrgetter("head")
_FLIPPED = frozenset(word for _said, _ in FLIPS for word in _said.split())
# by their first word, in their order: the longest of what begins alike comes first
_FLIPS: dict[str, list[tuple[tuple[str, ...], str]]] = {}
for _said, _flipped in FLIPS:
    _FLIPS.setdefault(_said.split()[0], []).append((tuple(_said.split()), _flipped))


@dataclass(frozen=True)
class InBatch:
    """Content words of a batch by class; in order of the alphabet."""

    words: dict[WordClass, Pool]

    @classmethod
    def of(cls, captions: Iterable[Parsed]) -> "InBatch":
        """Collect the words of some captions."""
        used = set[tuple[str, Tag]]().union(*(zip(each.lower, each.tags, strict=True) for each in captions))
        found: dict[WordClass, set[str]] = {}
        for word, tag in used:
            if (name := word_class(word, tag)) is not None:
                found.setdefault(name, set()).add(word)
        return cls({name: Pool(sorted(words)) for name, words in found.items()})


@lru_cache(maxsize=16_384)
def word_class(word: str, tag: Tag) -> WordClass | None:
    """The class of a content word; None of another."""
    if tag not in ("noun", "verb", "adjective") or word in EMPTY_NOUNS:
        return None
    if tag == "verb":
        return ("verb-ing" if word.endswith("ing") else "verb-s" if word.endswith("s") else "verb", False)
    return (ATTRIBUTE_CLASS.get(word, tag), tag == "noun" and is_plural(word))


def relation_flips(parsed: Parsed, place: int) -> list[Replacements]:
    """The relation turned round whose word at *place*, its first if that cannot be told, would then be wrong."""
    if parsed.lower[place] not in _FLIPPED:
        return []
    for start, said, flipped in _relations(parsed):
        if start <= place < start + len(said):
            change = _flip(start, said, flipped)
            wrong = place in [each.start for each in change]
            return [change] if wrong and start not in parsed.denials and _flips(parsed, start, len(said)) else []
    return []


def count_changes(parsed: Parsed, place: int) -> list[Replacements]:
    """The number at *place*, before a noun, changed by one or two; the noun follows between one and more."""
    if parsed.lower[place] not in NUMBERS or (place and parsed.lower[place - 1] in _NO_COUNT_AFTER):
        return []
    phrase = parsed.phrase_of(place + 1)
    if phrase is None or phrase.start != place + 1 or parsed.broken[phrase.start]:
        return []
    was = NUMBERS.index(parsed.lower[place])
    near = [now for now in (was - 2, was - 1, was + 1, was + 2) if 0 <= now < len(NUMBERS)]
    return [_count(parsed, place, phrase.head, now) for now in near]


class Choice(NamedTuple):
    """One word that gives way to one of several.

    Attributes:
        place: of the word.
        word: what stands there.
        pool: what may stand there, and the word itself.
    """

    place: int
    word: str
    pool: Pool

    def draw(self, rng: np.random.Generator) -> Iterator[Replacements]:
        """A few of them, each drawn when it is asked for: some are refused by the filters."""
        for word in self.pool.draw(self.word, _DRAWN, rng):
            yield (Replacement(self.place, self.place + 1, word),)


def attribute_choices(parsed: Parsed, place: int, lexicon: Lexicon) -> list[Choice]:
    """For an attribute the others of its class; those of the corpus by how often they occur, where it has any."""
    word = parsed.lower[place]
    if word not in ATTRIBUTE_CLASS or parsed.tags[place] != "adjective" or place in parsed.denials:
        return []
    return [Choice(place, word, lexicon.attributes_like(word))]


def noun_choices(parsed: Parsed, place: int, lexicon: Lexicon) -> list[Choice]:
    """For a noun those of the corpus, of the same number, by how often they occur."""
    word = parsed.lower[place]
    if word in EMPTY_NOUNS or parsed.phrase_about(place) is None:
        return []
    nouns = lexicon.nouns_like(word)
    return [Choice(place, word, nouns)] if nouns.has_other(word) else []


def in_batch_choices(parsed: Parsed, place: int, batch: InBatch) -> list[Choice]:
    """For a content word those of its class that the batch's captions use."""
    word, tag = parsed.lower[place], parsed.tags[place]
    name = word_class(word, tag)
    if name is None or place in parsed.denials or (tag == "noun" and parsed.phrase_about(place) is None):
        return []
    words = batch.words.get(name)
    return [Choice(place, word, words)] if words is not None and words.has_other(word) else []


def _relations(parsed: Parsed) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """Where each relation begins, its words, and its opposite."""
    done = 0
    for place, word in enumerate(parsed.lower):
        if place >= done and word in _FLIPS:
            for said, flipped in _FLIPS[word]:
                if parsed.lower[place : place + len(said)] == said:
                    yield place, said, flipped
                    done = place + len(said)
                    break


def _flip(place: int, said: tuple[str, ...], flipped: str) -> Replacements:
    new = flipped.split()
    if len(new) != len(said):
        return (Replacement(place, place + len(said), flipped),)
    return tuple(
        Replacement(place + number, place + number + 1, word) for number, word in enumerate(new) if word != said[number]
    )


def _flips(parsed: Parsed, place: int, length: int) -> bool:
    """Whether turning it round says something else of the things on both sides."""
    word, after = parsed.lower[place], place + length
    phrases = parsed.phrases
    # phrases are in order: the first that begins after it, the last that ends before it
    number = bisect_left(phrases, (after,))
    following = phrases[number] if number < len(phrases) else None
    if length == 1 and word in _NEED_A_THING:
        if word != "on" and (not place or parsed.lower[place - 1] in PARTICLE_VERBS):
            return False
        if following is None or following.start > after + 1 or parsed.broken[after]:
            return False
        if word == "on" and NOT_UNDER & {parsed.lower[following.head], parsed.lower[after]}:
            return False
    number = bisect_left(phrases, place, key=_head) - 1
    preceding = phrases[number] if number >= 0 else None
    if preceding is None or following is None:
        return True
    return parsed.written(preceding.start, preceding.head + 1) != parsed.written(following.start, following.head + 1)


def _count(parsed: Parsed, place: int, head: int, now: int) -> Replacements:
    number = Replacement(place, place + 1, NUMBERS[now])
    noun = parsed.lower[head]
    form = singular(noun) if now == 0 else noun if is_plural(noun) else plural(noun)
    return (number,) if form == noun else (number, Replacement(head, head + 1, form, follows=True))
