"""Edits that put another word in a word's place: relations, counts, attributes, objects, words of the batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.negatives.edited import Replacement
from models.negatives.english import (
    ADVERBS,
    ATTRIBUTE_CLASS,
    ATTRIBUTES,
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

Replacements = tuple[Replacement, ...]
# how many words are drawn for one place: some are refused by the filters
_DRAWN = 4
# after other stop-words a number may be no count: "this one", "no one", "each one"
_NO_COUNT_AFTER = (DETERMINERS | NEGATIONS | PRONOUNS | ADVERBS) - {"all", "the", "exactly"}
# without a thing after them these are part of a verb: "dressed up", "walks on"
_NEED_A_THING = frozenset(("on", "over", "under", "up", "down", "inside", "outside", "into", "onto"))
# by their first word, in their order: the longest of what begins alike comes first
_FLIPS: dict[str, list[tuple[tuple[str, ...], str]]] = {}
for _said, _flipped in FLIPS:
    _FLIPS.setdefault(_said.split()[0], []).append((tuple(_said.split()), _flipped))


@dataclass(frozen=True)
class InBatch:
    """Content words of a batch by part of speech, and plural apart from singular; in order of the alphabet."""

    words: dict[tuple[str, bool], tuple[str, ...]]

    @classmethod
    def of(cls, captions: Iterable[Parsed]) -> "InBatch":
        """Collect the words of some captions."""
        found: dict[tuple[str, bool], set[str]] = {}
        for parsed in captions:
            for word, tag in zip(parsed.lower, parsed.tags, strict=True):
                if _is_content(word, tag):
                    found.setdefault(word_class(word, tag), set()).add(word)
        return cls({name: tuple(sorted(words)) for name, words in found.items()})


def word_class(word: str, tag: Tag) -> tuple[str, bool]:
    """Words of one class can stand in each other's place: class of attribute, else part of speech and ending."""
    if tag == "verb":
        return ("verb-ing" if word.endswith("ing") else "verb-s" if word.endswith("s") else "verb", False)
    return (ATTRIBUTE_CLASS.get(word, tag), tag == "noun" and is_plural(word))


def relation_flips(parsed: Parsed) -> list[Replacements]:
    """Each relation that can be turned round."""
    found: list[Replacements] = []
    place = 0
    while place < len(parsed.words):
        known = _FLIPS.get(parsed.lower[place], ())
        flip = next((each for each in known if parsed.lower[place : place + len(each[0])] == each[0]), None)
        if flip is None:
            place += 1
            continue
        said, flipped = flip
        if not parsed.denied(place) and _flips(parsed, place, len(said)):
            found.append(_flip(place, said, flipped))
        place += len(said)
    return found


def count_changes(parsed: Parsed) -> list[Replacements]:
    """Each number before a noun, changed by one or two; the noun follows between one and more."""
    found: list[Replacements] = []
    heads = {phrase.start - 1: phrase.head for phrase in parsed.phrases if not parsed.broken[phrase.start]}
    for place, head in heads.items():
        if place < 0 or parsed.lower[place] not in NUMBERS:
            continue
        if place and parsed.lower[place - 1] in _NO_COUNT_AFTER:
            continue
        was = NUMBERS.index(parsed.lower[place])
        near = [now for now in (was - 2, was - 1, was + 1, was + 2) if 0 <= now < len(NUMBERS)]
        found += [_count(parsed, place, head, now) for now in near]
    return found


@dataclass(frozen=True)
class Choice:
    """One word that gives way to one of several, which is drawn only if this word is to be wrong.

    Attributes:
        place: of the word.
        words: what may stand there.
        counts: of the words in the corpus; None where all are alike.
    """

    place: int
    words: Sequence[str]
    counts: Mapping[str, int] | None = None

    def draw(self, rng: np.random.Generator) -> list[Replacements]:
        """A few of them: some are refused by the filters."""
        return [(Replacement(self.place, self.place + 1, word),) for word in self._drawn(rng)]

    def _drawn(self, rng: np.random.Generator) -> list[str]:
        if self.counts is None:
            return [self.words[int(each)] for each in rng.permutation(len(self.words))[:_DRAWN]]
        # the root: frequent words alone would teach that they are wrong, rare ones alone that these are right
        weights = np.sqrt([self.counts.get(word, 1) for word in self.words])
        return [self.words[int(each)] for each in rng.choice(len(self.words), _DRAWN, p=weights / weights.sum())]


def attribute_choices(parsed: Parsed, lexicon: Lexicon) -> list[Choice]:
    """Each attribute, and the others of its class; those of the corpus by how often they occur, where it has any."""
    found: list[Choice] = []
    for place, word in enumerate(parsed.lower):
        if word not in ATTRIBUTE_CLASS or parsed.tags[place] != "adjective" or parsed.denied(place):
            continue
        others = sorted(ATTRIBUTES[ATTRIBUTE_CLASS[word]] - {word})
        known = [other for other in others if other in lexicon.attributes]
        found.append(Choice(place, known or others, lexicon.attributes))
    return found


def noun_choices(parsed: Parsed, lexicon: Lexicon) -> list[Choice]:
    """Each noun, and nouns of the corpus by how often they occur."""
    found: list[Choice] = []
    for phrase in parsed.phrases:
        word = parsed.lower[phrase.head]
        if word in EMPTY_NOUNS:
            continue
        nouns = [noun for noun in lexicon.nouns_like(word) if noun != word and noun not in EMPTY_NOUNS]
        if nouns:
            found.append(Choice(phrase.head, nouns, lexicon.nouns))
    return found


def in_batch_choices(parsed: Parsed, batch: InBatch) -> list[Choice]:
    """Each content word, and the words of its class that the batch's captions use."""
    heads = {phrase.head for phrase in parsed.phrases}
    found: list[Choice] = []
    for place, (word, tag) in enumerate(zip(parsed.lower, parsed.tags, strict=True)):
        if not _is_content(word, tag) or parsed.denied(place) or (tag == "noun" and place not in heads):
            continue
        others = [other for other in batch.words.get(word_class(word, tag), ()) if other != word]
        if others:
            found.append(Choice(place, others))
    return found


def _is_content(word: str, tag: Tag) -> bool:
    return tag in ("noun", "verb", "adjective") and word not in EMPTY_NOUNS


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
    following = next((phrase for phrase in parsed.phrases if phrase.start >= after), None)
    if length == 1 and word in _NEED_A_THING:
        if word != "on" and (not place or parsed.lower[place - 1] in PARTICLE_VERBS):
            return False
        if following is None or following.start > after + 1 or parsed.broken[after]:
            return False
        if word == "on" and NOT_UNDER & {parsed.lower[following.head], parsed.lower[after]}:
            return False
    preceding = next((phrase for phrase in reversed(parsed.phrases) if phrase.head < place), None)
    if preceding is None or following is None:
        return True
    return parsed.written(preceding.start, preceding.head + 1) != parsed.written(following.start, following.head + 1)


def _count(parsed: Parsed, place: int, head: int, now: int) -> Replacements:
    number = Replacement(place, place + 1, NUMBERS[now])
    noun = parsed.lower[head]
    form = singular(noun) if now == 0 else noun if is_plural(noun) else plural(noun)
    return (number,) if form == noun else (number, Replacement(head, head + 1, form, follows=True))
