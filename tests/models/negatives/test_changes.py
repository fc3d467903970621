"""Other words in a word's place."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pytest

from models.negatives.changes import (
    Choice,
    InBatch,
    Replacements,
    attribute_choices,
    count_changes,
    in_batch_choices,
    noun_choices,
    relation_flips,
)
from models.negatives.edited import replaced
from models.negatives.lexicon import Lexicon
from models.negatives.phrases import Parsed, parse

Change = TypeVar("Change", Replacements, Choice)


def parsed(text: str) -> Parsed:
    """By the closed lists alone."""
    return parse(text, Lexicon())


def texts(text: str, found: list[Replacements]) -> set[str]:
    """All texts that the replacements give."""
    return {replaced(text, each, "x").text for each in found}


def everywhere(text: str, changes: Callable[[Parsed, int], Sequence[Change]]) -> list[Change]:
    """The changes of each word."""
    whole = parsed(text)
    return [change for place in range(len(whole.lower)) for change in changes(whole, place)]


def drawn(choices: list[Choice]) -> list[Replacements]:
    """What each word's choice draws."""
    rng = np.random.default_rng(0)
    return [replacements for choice in choices for replacements in choice.draw(rng)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cup left of a box", "a cup right of a box"),
        ("a cup to the left of a box", "a cup to the right of a box"),
        ("a cup at the top left", "a cup at the bottom left"),
        ("a cup, top left", "a cup, top right"),
        ("a cup above a box", "a cup below a box"),
        ("a cup in front of a box", "a cup behind a box"),
        ("a cup behind a box", "a cup in front of a box"),
        ("a cup on a box", "a cup under a box"),
        ("a cup higher than a box", "a cup lower than a box"),
    ],
)
def test_relations_are_turned_round(text: str, expected: str) -> None:
    """A relation becomes its opposite."""
    assert expected in texts(text, everywhere(text, relation_flips))


@pytest.mark.parametrize(
    "text", ["dressed up", "a dog on the beach", "a cup above a cup", "she looks on", "not on a box"]
)
def test_what_is_no_relation_stays(text: str) -> None:
    """Parts of verbs, the ground under everything, equal things on both sides and denials are not turned."""
    assert [] == everywhere(text, relation_flips)


def test_a_relation_is_that_of_each_word_it_changes() -> None:
    """Of "top left" the second word changes, of "behind", for which three stand, the first; what changes tells no more."""
    found = {
        text: [place for place in range(4) if relation_flips(parsed(text), place)]
        for text in ("a cup top left", "a cup behind it", "cups higher than boxes")
    }

    assert {"a cup top left": [3], "a cup behind it": [2], "cups higher than boxes": [1]} == found


def test_counts_change_with_their_nouns() -> None:
    """A number changes by one or two, never to none; the noun follows between one and more."""
    assert {"one red cup", "three red cups", "four red cups"} == texts(
        "two red cups", everywhere("two red cups", count_changes)
    )
    assert {"two boxes", "three boxes"} == texts("one box", everywhere("one box", count_changes))


def test_a_noun_that_follows_its_number_is_no_error() -> None:
    """In "two boxes" for "one box" the number alone is wrong: a detector could tell a plural without the image."""
    (edited,) = [
        edit
        for change in everywhere("one box", count_changes)
        if (edit := replaced("one box", change, "count")).text == "two boxes"
    ]

    assert (True, False) == edited.wrong
    assert ("one", None) == edited.should_be


def test_one_that_counts_nothing_stays() -> None:
    """ "One" that stands for something is no number."""
    assert [] == everywhere("this one box, no one here", count_changes)


def test_attributes_stay_in_their_class() -> None:
    """An attribute gives way to another one of its class, of the corpus where there is one."""
    lexicon = Lexicon(attributes={"red": 2, "blue": 3, "small": 1})

    made = drawn(everywhere("a red box", lambda whole, place: attribute_choices(whole, place, lexicon)))

    assert {"a blue box"} == texts("a red box", made)


def test_objects_become_nouns_of_the_corpus() -> None:
    """A noun gives way to another noun of the same number, drawn from the corpus; empty nouns stay."""
    lexicon = Lexicon(nouns={"dog": 9, "dogs": 4, "cup": 1, "side": 100})

    choices = everywhere("a cup on the side", lambda whole, place: noun_choices(whole, place, lexicon))
    made = texts("a cup on the side", drawn(choices))

    assert {"a dog on the side"} == made


def test_in_batch_words_are_of_the_same_class() -> None:
    """A word gives way to one of the same class that another caption of the batch uses, and to no other."""
    batch = InBatch.of([parsed("a red box"), parsed("two blue cups are running"), parsed("a tall zebra")])

    found = drawn(everywhere("a red box", lambda whole, place: in_batch_choices(whole, place, batch)))

    assert {"a blue box", "a red zebra"} == texts("a red box", found)
