"""Swaps inside a caption: two attributes, or two nouns, change places."""

from functools import lru_cache

from models.negatives.edited import Replacement
from models.negatives.english import ATTRIBUTE_CLASS, DETERMINERS, EMPTY_NOUNS, NUMBERS, SYMMETRIC
from models.negatives.filters import synonyms
from models.negatives.inflect import is_plural, same_word
from models.negatives.phrases import NounPhrase, Parsed

Swap = tuple[Replacement, Replacement]


def swaps(parsed: Parsed, place: int) -> list[Swap]:
    """Both kinds."""
    return [*attribute_swaps(parsed, place), *noun_swaps(parsed, place)]


def attribute_swaps(parsed: Parsed, place: int) -> list[Swap]:
    """The attribute at *place* and each other of its class, of another thing."""
    words, mine = parsed.lower, parsed.lower[place]
    name = ATTRIBUTE_CLASS.get(mine)
    own = None if name is None else parsed.phrase_of(place)
    if own is None or place == own.head:
        return []
    found: list[Swap] = []
    thing = words[own.head]
    for other in parsed.phrases:
        other_thing = words[other.head]
        if other_thing == thing or (thing if other < own else other_thing) in EMPTY_NOUNS:
            continue
        for turn in other.modifiers:
            yours = words[turn]
            if ATTRIBUTE_CLASS.get(yours) != name or not _can_trade_attributes(mine, yours):
                continue
            if not (parsed.says(yours, thing) and parsed.says(mine, other_thing)):
                found.append(_swap(parsed, place, turn))
    return found


def noun_swaps(parsed: Parsed, place: int) -> list[Swap]:
    """The noun at *place* and each other of its number, unless the sentence would be as true as before."""
    own = parsed.phrase_about(place)
    if own is None:
        return []
    found: list[Swap] = []
    words, mine = parsed.lower, parsed.lower[place]
    ours = frozenset(words[own.start : place])
    for other in parsed.phrases:
        yours = words[other.head]
        if other == own or not _can_trade_nouns(mine, yours):
            continue
        theirs = frozenset(words[other.start : other.head])
        if ours == theirs and _joined(parsed, *sorted((own, other))):
            continue
        # what is said already, if anything is, is as true as before
        known = all(parsed.says(each, yours) for each in ours) and all(parsed.says(each, mine) for each in theirs)
        if not known or not (ours or theirs):
            found.append(_swap(parsed, place, other.head))
    return found


# captions use the same few thousand pairs of words again and again
@lru_cache(maxsize=16_384)
def _can_trade_attributes(first: str, second: str) -> bool:
    return not same_word(first, second) and not synonyms(first, second)


@lru_cache(maxsize=16_384)
def _can_trade_nouns(first: str, second: str) -> bool:
    if {first, second} & EMPTY_NOUNS or is_plural(first) != is_plural(second):
        return False
    return not same_word(first, second) and not synonyms(first, second)


def _joined(parsed: Parsed, first: NounPhrase, second: NounPhrase) -> bool:
    """Whether only words that join equals stand between."""
    return all(
        word in SYMMETRIC or word in DETERMINERS or word in NUMBERS
        for word in parsed.lower[first.head + 1 : second.start]
    )


def _swap(parsed: Parsed, one: int, other: int) -> Swap:
    first, second = (one, other) if one < other else (other, one)
    return (
        Replacement(first, first + 1, parsed.lower[second]),
        Replacement(second, second + 1, parsed.lower[first]),
    )
