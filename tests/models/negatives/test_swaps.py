"""Swaps."""

from collections import Counter
from collections.abc import Callable

import pytest

from models.negatives.edited import replaced
from models.negatives.lexicon import Lexicon
from models.negatives.phrases import Parsed, parse
from models.negatives.swaps import Swap, attribute_swaps, noun_swaps


def texts(text: str, swaps: Callable[[Parsed, int], list[Swap]]) -> list[str]:
    """All texts that swapping gives; each swap is found twice, at both of its words."""
    whole = parse(text, Lexicon())
    found = Counter(swap for place in range(len(whole.lower)) for swap in swaps(whole, place))
    assert {2} >= set(found.values())
    return [replaced(text, swap, "swap").text for swap in found]


def attributes(text: str) -> list[str]:
    """All texts that swapping attributes gives."""
    return texts(text, attribute_swaps)


def nouns(text: str) -> list[str]:
    """All texts that swapping nouns gives."""
    return texts(text, noun_swaps)


def test_attributes_of_one_class_change_places() -> None:
    """Colour goes with colour and size with size."""
    expected = {"a small blue box and a large red cup", "a large red box and a small blue cup"}

    assert expected == set(attributes("a small red box and a large blue cup"))


@pytest.mark.parametrize(
    "text",
    [
        "a red box and a red cup",
        "a red box and a small cup",
        "a red box and a blue box",
        "a red box, a blue cup, a blue box and a red cup",
        "a red box and no blue cup",
        "a gray box and a silver cup",
    ],
)
def test_swaps_that_change_nothing_are_not_made(text: str) -> None:
    """Equal or synonymous attributes, equal nouns, things that the caption has both ways, and denials are left alone."""
    assert [] == attributes(text)


def test_nouns_change_places_with_their_articles() -> None:
    """Two nouns trade places; the articles agree."""
    assert ["a box on an apple"] == nouns("an apple on a box")


@pytest.mark.parametrize("text", ["a man and a horse", "a horse next to a dog", "a man on a person", "dogs on a box"])
def test_nouns_that_stand_as_equals_are_not_swapped(text: str) -> None:
    """Joined by "and", side by side, synonyms, or of different number: the sentence would stay true, or break."""
    assert [] == nouns(text)


def test_modifiers_make_the_difference() -> None:
    """Joined nouns with different modifiers can trade places."""
    assert ["a red cup and a blue box"] == nouns("a red box and a blue cup")
