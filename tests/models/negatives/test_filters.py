"""Filters against false negatives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.negatives.filters import (
    Change,
    Exchanges,
    default_filters,
    learn_exchanges,
    synonyms,
    words_of,
)
from models.negatives.words import split_words


def change(old: str, new: str, *, elsewhere: str = "", likelihood: float | None = None) -> Change:
    """A change in the caption "a OLD on a box"."""
    return Change(old, new, words_of([f"a {old} on a box"]), words_of([elsewhere]), likelihood)


@pytest.mark.parametrize(
    ("which", "refused"),
    [
        (change("dog", "dogs"), "form of the word"),
        (change("dog", "boxes"), "in the caption"),
        (change("dog", "cat", elsewhere="two cats"), "in another caption"),
        (change("dog", "puppy"), "synonym"),
        (change("man", "person"), "synonym"),
        (change("street", "boulevard"), "exchanged"),
        (change("dog", "cat", likelihood=1.5), "as likely"),
        (change("dog", "cat", likelihood=0.5), None),
        (change("dog", "cat"), None),
    ],
)
def test_each_filter_refuses_its_own(which: Change, refused: str | None) -> None:
    """A change is refused by the filter that is meant for it, and passes when none objects."""
    filters = default_filters(Exchanges({"street": frozenset({"boulevard"})}))

    assert refused == filters.refusal(which)


def test_synonyms_are_symmetric_and_know_plurals() -> None:
    """The closed list works both ways and for plurals; unrelated words are none."""
    assert synonyms("sofa", "couch") and synonyms("couches", "sofa")
    assert not synonyms("man", "woman") and not synonyms("zebra", "sofa")


@given(st.lists(st.text("aB '-é.", max_size=12), max_size=5))
def test_the_words_of_texts_are_all_their_words(texts: list[str]) -> None:
    """In lower case, of every text, in whatever order and however often it is asked."""
    words = {word.text.lower() for text in texts for word in split_words(text)}

    assert words == words_of(texts) == words_of(iter(texts[::-1])) == words_of(texts)


def groups() -> list[list[str]]:
    """Forty images: couch and sofa are said of the same ones, a dog and its ball stand in one caption."""
    images = [
        ["a dog with a ball on a couch", "a dog and a ball on a sofa"],
        ["red bird in a tree", "bird on a branch"],
    ]
    return [*images * 10, *[["a dog with a ball", "a dog and a ball"]] * 10, *[["a car", "the car"]] * 20]


def test_exchanges_are_learnt_from_captions_of_one_image() -> None:
    """Words that captions of an image use for each other are found; words that go together are not."""
    found = learn_exchanges(groups(), least=5, lift=2)

    assert found.has("couch", "sofa") and found.has("sofas", "couches")
    assert not found.has("dog", "ball") and not found.has("dog", "car")


def test_exchanges_survive_being_written() -> None:
    """What is written is read back the same."""
    found = learn_exchanges(groups(), least=5, lift=2)

    assert found == Exchanges.from_json(found.to_json())


def test_the_version_follows_what_is_refused() -> None:
    """Other exchanges or another ratio are another version."""
    exchanges = Exchanges({"a": frozenset("b")})

    assert 3 == len(
        {each.version for each in (default_filters(), default_filters(exchanges), default_filters(likelihood=2))}
    )
