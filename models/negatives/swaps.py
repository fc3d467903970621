"""Swaps inside a caption: two attributes, or two nouns, change places."""

from itertools import combinations

from models.negatives.changes import Replacements
from models.negatives.edited import Replacement
from models.negatives.english import ATTRIBUTE_CLASS, DETERMINERS, EMPTY_NOUNS, NUMBERS, SYMMETRIC
from models.negatives.filters import synonyms
from models.negatives.inflect import is_plural, same_word
from models.negatives.phrases import NounPhrase, Parsed


def attribute_swaps(parsed: Parsed) -> list[Replacements]:
    """Two attributes of one class, of two different things."""
    found: list[Replacements] = []
    pairs = _pairs(parsed)
    for first, second in combinations(parsed.phrases, 2):
        if parsed.lower[first.head] == parsed.lower[second.head] or parsed.lower[second.head] in EMPTY_NOUNS:
            continue
        for one in first.modifiers:
            for other in second.modifiers:
                mine, theirs = parsed.lower[one], parsed.lower[other]
                swapped = {(theirs, parsed.lower[first.head]), (mine, parsed.lower[second.head])}
                if _same_class(mine, theirs) and not swapped <= pairs:
                    found.append(_swap(parsed, one, other))
    return found


def noun_swaps(parsed: Parsed) -> list[Replacements]:
    """Two nouns of the same number, unless the sentence would be as true as before."""
    found: list[Replacements] = []
    pairs = _pairs(parsed)
    for first, second in combinations(parsed.phrases, 2):
        mine, theirs = parsed.lower[first.head], parsed.lower[second.head]
        if not _can_trade(mine, theirs) or _symmetric(parsed, first, second):
            continue
        swapped = {(each, theirs) for each in _modifiers(parsed, first)}
        swapped |= {(each, mine) for each in _modifiers(parsed, second)}
        if not swapped or not swapped <= pairs:
            found.append(_swap(parsed, first.head, second.head))
    return found


def _same_class(first: str, second: str) -> bool:
    mine, theirs = ATTRIBUTE_CLASS.get(first), ATTRIBUTE_CLASS.get(second)
    return mine is not None and mine == theirs and not same_word(first, second) and not synonyms(first, second)


def _can_trade(first: str, second: str) -> bool:
    if {first, second} & EMPTY_NOUNS or is_plural(first) != is_plural(second):
        return False
    return not same_word(first, second) and not synonyms(first, second)


def _symmetric(parsed: Parsed, first: NounPhrase, second: NounPhrase) -> bool:
    """Whether only words that join equals stand between, and neither noun has a modifier that the other lacks."""
    between = {
        word
        for place in range(first.head + 1, second.start)
        if (word := parsed.lower[place]) not in DETERMINERS and word not in NUMBERS
    }
    return between <= SYMMETRIC and _modifiers(parsed, first) == _modifiers(parsed, second)


def _pairs(parsed: Parsed) -> frozenset[tuple[str, str]]:
    """Every (modifier, noun) that the caption says."""
    return frozenset(
        (word, parsed.lower[phrase.head]) for phrase in parsed.phrases for word in _modifiers(parsed, phrase)
    )


def _modifiers(parsed: Parsed, phrase: NounPhrase) -> frozenset[str]:
    return frozenset(parsed.lower[phrase.start : phrase.head])


def _swap(parsed: Parsed, first: int, second: int) -> Replacements:
    return (
        Replacement(first, first + 1, parsed.lower[second]),
        Replacement(second, second + 1, parsed.lower[first]),
    )
