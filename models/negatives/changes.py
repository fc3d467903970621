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
_FLIPS = tuple((tuple(said.split()), flipped) for said, flipped in FLIPS)


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
        flip = next((each for each in _FLIPS if parsed.lower[place : place + len(each[0])] == each[0]), None)
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


def attribute_replacements(parsed: Parsed, lexicon: Lexicon, rng: np.random.Generator) -> list[Replacements]:
    """Each attribute, replaced by others of its class; those of the corpus are drawn by how often they occur."""
    found: list[Replacements] = []
    for place, word in enumerate(parsed.lower):
        if word not in ATTRIBUTE_CLASS or parsed.tags[place] != "adjective" or parsed.denied(place):
            continue
        others = sorted(ATTRIBUTES[ATTRIBUTE_CLASS[word]] - {word})
        known = [other for other in others if other in lexicon.attributes]
        found += _one_word(place, _drawn(known or others, lexicon.attributes, rng))
    return found


def noun_replacements(parsed: Parsed, lexicon: Lexicon, rng: np.random.Generator) -> list[Replacements]:
    """Each noun, replaced by nouns of the corpus drawn by how often they occur."""
    found: list[Replacements] = []
    for phrase in parsed.phrases:
        word = parsed.lower[phrase.head]
        nouns = lexicon.nouns_like(word)
        if word not in EMPTY_NOUNS and nouns:
            drawn = _drawn(nouns, lexicon.nouns, rng)
            found += _one_word(phrase.head, [noun for noun in drawn if noun not in EMPTY_NOUNS and noun != word])
    return found


def in_batch_replacements(parsed: Parsed, batch: InBatch, rng: np.random.Generator) -> list[Replacements]:
    """Each content word, replaced by some words of its class that the batch's captions use."""
    heads = {phrase.head for phrase in parsed.phrases}
    found: list[Replacements] = []
    for place, (word, tag) in enumerate(zip(parsed.lower, parsed.tags, strict=True)):
        if not _is_content(word, tag) or parsed.denied(place) or (tag == "noun" and place not in heads):
            continue
        words = batch.words.get(word_class(word, tag), ())
        drawn = [words[int(each)] for each in rng.permutation(len(words))[: _DRAWN + 1]]
        found += _one_word(place, [other for other in drawn if other != word][:_DRAWN])
    return found


def _drawn(words: Sequence[str], counts: Mapping[str, int], rng: np.random.Generator) -> list[str]:
    # the root: frequent words alone would teach that they are wrong, rare ones alone that these are right
    weights = np.sqrt([counts.get(word, 1) for word in words])
    return [words[int(drawn)] for drawn in rng.choice(len(words), _DRAWN, p=weights / weights.sum())]


def _one_word(place: int, words: Sequence[str]) -> list[Replacements]:
    return [(Replacement(place, place + 1, word),) for word in words]


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
