"""Swaps."""

import pytest

from models.negatives.edited import replaced
from models.negatives.lexicon import Lexicon
from models.negatives.phrases import parse
from models.negatives.swaps import attribute_swaps, noun_swaps


def attributes(text: str) -> list[str]:
    """All texts that swapping attributes gives."""
    return [replaced(text, each, "swap").text for each in attribute_swaps(parse(text, Lexicon()))]


def nouns(text: str) -> list[str]:
    """All texts that swapping nouns gives."""
    return [replaced(text, each, "swap").text for each in noun_swaps(parse(text, Lexicon()))]


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
