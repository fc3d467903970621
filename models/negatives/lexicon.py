"""Parts of speech without a download: closed lists, endings, and what stands around a word in a corpus."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from models.negatives import english
from models.negatives.inflect import is_plural, singular
from models.negatives.pools import Pool
from models.negatives.words import split_words

Tag = Literal["noun", "adjective", "verb", "number", "preposition", "other"]
TAGS: tuple[Tag, ...] = get_args(Tag)

_BEFORE_NOUN = english.DETERMINERS | frozenset(english.NUMBERS) | frozenset(english.ATTRIBUTE_CLASS)
_AFTER_NOUN = english.PLACE_WORDS | english.GRAMMAR | english.CONJUNCTIONS | english.AUXILIARIES
_CLOSED = (*english.NUMBERS, *english.ATTRIBUTE_CLASS, *sorted(english.PLACE_WORDS | english.STOP_WORDS))
# fewer sightings tell nothing
_LEAST = 3
# a word that stands at the end of a noun phrase this often is a noun, whatever else it may be
_NOUN_SHARE, _VERB_SHARE = 0.2, 0.45


# compared by identity: what was made of texts is kept by the lexicon it was made with
@dataclass(frozen=True, eq=False)
class Lexicon:
    """Which part of speech a word is.

    Attributes:
        learnt: part of speech of words that a corpus has shown.
        nouns: how often each noun of the corpus occurs.
        attributes: how often each attribute of the closed lists occurs in it.
    """

    learnt: Mapping[str, Tag] = field(default_factory=dict[str, Tag])
    nouns: Mapping[str, int] = field(default_factory=dict[str, int])
    attributes: Mapping[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def learn(cls, captions: Iterable[str]) -> "Lexicon":
        """Learn from captions in plain English what their words are, from the words on either side."""
        sightings = _Sightings()
        for caption in captions:
            sightings.add(caption)
        learnt: dict[str, Tag] = {
            word: sightings.judge(word) for word, seen in sightings.seen.items() if seen >= _LEAST
        }
        nouns = {
            word: sightings.seen[word]
            for word in sorted(learnt)
            if learnt[word] == "noun" and closed(word) is None and word.isalpha() and len(word) > 2
        }
        attributes = {word: sightings.seen[word] for word in sorted(english.ATTRIBUTE_CLASS) if sightings.seen[word]}
        return cls(learnt, nouns, attributes)

    @cached_property
    def version(self) -> str:
        """Changes with what was learnt."""
        said = repr([sorted(each.items()) for each in (self.learnt, self.nouns, self.attributes)])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def tag(self, words: Sequence[str], broken: Sequence[bool]) -> tuple[Tag, ...]:
        """Parts of speech of a caption's words.

        Args:
            words: (W) in lower case.
            broken: (W) True where punctuation stands before the word.
        """
        alone, tag = self._alone, self._tag
        found: list[Tag] = [
            alone[word] if word in alone else tag(words, broken, place) for place, word in enumerate(words)
        ]  # fmt: skip
        return tuple(found)

    @cached_property
    def _alone(self) -> dict[str, Tag]:
        """Words of the closed lists and of the corpus whose part of speech does not depend on their neighbours."""
        found: dict[str, Tag] = {}
        for word in (*_CLOSED, *self.learnt):
            tag = closed(word) or self.learnt.get(word)
            if tag is not None and tag != "verb" and word not in english.SIDES:
                found[word] = tag
        return found

    def _tag(self, words: Sequence[str], broken: Sequence[bool], place: int) -> Tag:
        word = words[place]
        before = words[place - 1] if not broken[place] else ""
        after = words[place + 1] if place + 1 < len(words) and not broken[place + 1] else ""
        if word in english.SIDES:
            return _side(word, before, after)
        known = closed(word)
        if known is not None:
            return known
        found = self.learnt.get(word) or by_ending(word)
        if found == "verb" and before in english.DETERMINERS and (not after or after in _AFTER_NOUN):
            return "noun"
        return found

    def nouns_like(self, noun: str) -> Pool:
        """The corpus's nouns of the same number, singular or plural, that say what there is to see."""
        return self._nouns_by_number[is_plural(noun)]

    def attributes_like(self, word: str) -> Pool:
        """The other attributes of an attribute's class: those of the corpus where it has any, else all."""
        return self._attributes_by_word[word]

    @cached_property
    def _nouns_by_number(self) -> dict[bool, Pool]:
        nouns = [noun for noun in self.nouns if noun not in english.EMPTY_NOUNS]
        return {
            number: Pool([noun for noun in nouns if is_plural(noun) == number], self.nouns) for number in (False, True)
        }

    @cached_property
    def _attributes_by_word(self) -> dict[str, Pool]:
        found: dict[str, Pool] = {}
        for word, name in english.ATTRIBUTE_CLASS.items():
            others = sorted(english.ATTRIBUTES[name] - {word})
            found[word] = Pool([other for other in others if other in self.attributes] or others, self.attributes)
        return found


def closed(word: str) -> Tag | None:
    """The part of speech of a word of the closed lists, else None."""
    if word in english.NUMBERS or word.isdigit():
        return "number"
    if word in english.ATTRIBUTE_CLASS:
        return "adjective"
    if word in english.PLACE_WORDS:
        return "preposition"
    return "other" if word in english.STOP_WORDS else None


def by_ending(word: str) -> Tag:
    """The most likely part of speech of a word that nothing is known of."""
    if word.endswith("ly"):
        return "other"
    if word.endswith(("ing", "ed")) and len(word) > 4:
        return "verb"
    return "adjective" if word.endswith(("ful", "ous", "ish", "less", "able", "ible", "ical")) else "noun"


def _side(word: str, before: str, after: str) -> Tag:
    """What left, right, top and bottom are here: a place, or, as in "a gray top", a thing."""
    if before in ("the", "to", "at") or before in english.SIDES or after in ("of", "side", *english.SIDES):
        return "preposition"
    if word in ("left", "right"):
        return "preposition" if not after or before in ("", "on") else "adjective"
    return "noun"


class _Sightings:
    """Counts of what stands before and after each word."""

    def __init__(self) -> None:
        self.seen = Counter[str]()
        self._noun = Counter[str]()
        self._verb = Counter[str]()
        self._adjective = Counter[str]()

    def add(self, caption: str) -> None:
        words = split_words(caption)
        lower = [word.text.lower() for word in words]
        for place, word in enumerate(lower):
            self.seen[word] += 1
            start = words[place - 1].end if place else 0
            before = lower[place - 1] if place and caption[start : words[place].start].isspace() else ""
            whole = place + 1 < len(words) and caption[words[place].end : words[place + 1].start].isspace()
            self._count(before, word, lower[place + 1] if whole else "")

    def _count(self, before: str, word: str, after: str) -> None:
        ends = not after or after in _AFTER_NOUN or after.endswith("ing")
        if before in _BEFORE_NOUN:
            (self._noun if ends else self._adjective)[word] += 1
        elif before in english.AUXILIARIES:
            (self._verb if word.endswith(("ing", "ed")) or not ends else self._adjective)[word] += 1
        elif (
            before
            and before not in english.STOP_WORDS | english.PLACE_WORDS
            and (after in english.DETERMINERS or after in english.PLACE_WORDS or after in english.GRAMMAR)
        ):
            # a noun before it, an object or a place after it: "a man rides a"; "street sign in" is outvoted
            self._verb[word] += 1

    def judge(self, word: str) -> Tag:
        """The part of speech that the counts speak for."""
        known = closed(word)
        if known is not None:
            return known
        noun, verb, adjective = self._noun[word], self._verb[word], self._adjective[word]
        total = noun + verb + adjective
        # the singular of a plural is seen after an article, the plural seldom is
        if is_plural(word):
            noun += self._noun[singular(word)]
        if total < _LEAST:
            return by_ending(word)
        if word.endswith("ing") and verb > 0.3 * (noun + adjective):
            return "verb"
        if noun >= verb and noun >= _NOUN_SHARE * total:
            return "noun"
        if verb >= _VERB_SHARE * total:
            return "verb"
        return "adjective" if adjective >= noun else "noun"
