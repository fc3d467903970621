"""Word forms."""

import pytest

from models.negatives.inflect import article, is_plural, plural, same_word, singular


@pytest.mark.parametrize(
    ("one", "many"),
    [("dog", "dogs"), ("box", "boxes"), ("cross", "crosses"), ("lady", "ladies"), ("boy", "boys"), ("man", "men"),
     ("child", "children"), ("person", "people"), ("bus", "buses"), ("beach", "beaches"), ("leaf", "leaves")],
)  # fmt: skip
def test_plural_and_singular_are_inverse(one: str, many: str) -> None:
    """The plural of a noun is its plural, and back; only it counts as plural."""
    assert (many, one, one) == (plural(one), singular(many), singular(one))
    assert (False, True) == (is_plural(one), is_plural(many))


@pytest.mark.parametrize("word", ["grass", "glass", "dress", "tennis", "bus", "sheep", "asparagus"])
def test_what_ends_in_s_need_not_be_plural(word: str) -> None:
    """Singular words in s are left as they are."""
    assert word == singular(word)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("dog", "a"), ("apple", "an"), ("hour", "an"), ("uniform", "a"), ("umbrella", "an"), ("one", "a"), ("8", "an"),
     ("unicycle", "a"), ("house", "a"), ("Orange", "an"), ("", "a")],
)  # fmt: skip
def test_articles_go_by_sound(word: str, expected: str) -> None:
    """The article follows the sound, not the letter, in the common exceptions."""
    assert expected == article(word)


@pytest.mark.parametrize(
    ("first", "second"),
    [("run", "runs"), ("running", "run"), ("dog", "dogs"), ("man", "men"), ("ride", "riding"), ("sits", "sitting"),
     ("tall", "taller"), ("dog's", "dog"), ("t-shirt", "tshirt"), ("carry", "carries"), ("wear", "worn")],
)  # fmt: skip
def test_forms_of_a_word_are_one(first: str, second: str) -> None:
    """Inflected forms count as the same word, whichever comes first."""
    assert same_word(first, second)
    assert same_word(second, first)


@pytest.mark.parametrize(("first", "second"), [("man", "woman"), ("cat", "car"), ("sit", "set"), ("bus", "bush")])
def test_other_words_are_other(first: str, second: str) -> None:
    """Words that only look alike are different ones."""
    assert not same_word(first, second)
