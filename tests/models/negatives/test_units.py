"""What the small language model reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.negatives.errors import CorpusTooSmall
from models.negatives.units import MASK, MASK_ID, PAD_ID, SPECIAL, UNKNOWN_ID, learn_units, units
from models.negatives.words import split_words


def test_signs_are_units() -> None:
    """Words and signs come in order; spaces are none."""
    assert ["A", "t-shirt", ",", "red", "!", "?"] == [unit.text for unit in units("A t-shirt, red !?")]


@given(st.text(max_size=40))
def test_all_words_are_units(text: str) -> None:
    """Every word of a text is among its units, and all that is not space is in some unit."""
    found = units(text)

    assert set(split_words(text)) <= set(found)
    assert "".join(text.split()) == "".join("".join(unit.text.split()) for unit in found)


def test_the_vocabulary_holds_frequent_words() -> None:
    """The most frequent words are kept, after the special entries; a word seen once is unknown."""
    tokenizer = learn_units(["a dog", "a dog", "a cat", "the cat once"], 5)

    assert {*SPECIAL, "a", "cat"} == set(tokenizer.get_vocab())
    assert [UNKNOWN_ID, MASK_ID] == tokenizer.encode(["once", MASK], is_pretokenized=True).ids
    assert 0 == PAD_ID


def test_too_small_a_corpus_is_refused() -> None:
    """Where no word occurs twice there is nothing to learn."""
    with pytest.raises(CorpusTooSmall, match="no word"):
        learn_units(["one two"], 100)
