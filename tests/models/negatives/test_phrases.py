"""Captions taken apart."""

from hypothesis import given
from hypothesis import strategies as st

from models.negatives.lexicon import Lexicon
from models.negatives.phrases import parse


def phrases(text: str) -> list[str]:
    """The noun phrases as written."""
    parsed = parse(text, Lexicon())
    return [parsed.written(each.start, each.head + 1) for each in parsed.phrases]


def test_noun_phrases_end_at_their_noun() -> None:
    """Articles and numbers stand before a phrase; modifiers and compound nouns are in it; punctuation ends it."""
    assert ["small red dog", "dog house"] == phrases("two small red dog on the dog house")
    assert ["red dog", "cat"] == phrases("a red dog, cat")


def test_what_is_denied_is_left_out() -> None:
    """What a caption says is not there is no phrase to edit; the denial ends at the next comma."""
    assert ["box"] == phrases("a box and no red dog")
    assert ["man", "house"] == phrases("man without hat, house")


@given(st.text(max_size=50))
def test_any_text_can_be_taken_apart(text: str) -> None:
    """Every word has a tag, and phrases lie inside the text, in order and apart."""
    parsed = parse(text, Lexicon())

    assert len(parsed.words) == len(parsed.tags) == len(parsed.broken) == len(parsed.lower)
    ends = [-1, *(each.head for each in parsed.phrases)]
    assert all(end < each.start <= each.head for end, each in zip(ends, parsed.phrases, strict=False))
    assert all("noun" == parsed.tags[each.head] for each in parsed.phrases)
