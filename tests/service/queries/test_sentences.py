"""Long texts in pieces, as properties of a pure splitter."""

import time
from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.queries.sentences import MAX_PIECES, Fits, sentences_of, split

WORDS = st.sampled_from(
    ["a", "dog", "on", "the", "beach,", "Later", "it", "rains;", "night", "Dr.", "3.5", "“No!”", "犬", "…"]
)
ENDS = st.sampled_from([" ", ". ", "! ", "? ", ".\n", "\n\n", "。", "; ", ", ", "  "])
texts = st.lists(st.tuples(WORDS, ENDS), min_size=1, max_size=60).map(lambda found: "".join(a + b for a, b in found))
anything = texts | st.text(min_size=1, max_size=200)


def at_most(length: int) -> Fits:
    """A model that reads so many characters at once, blanks at the ends aside."""
    return lambda texts: [len(text.strip()) <= length for text in texts]


@given(text=anything, most=st.integers(1, 60))
def test_pieces_joined_are_the_text(text: str, most: int) -> None:
    """Nothing is lost, added or moved, whatever fits."""
    assert text == "".join(split(text, at_most(most)))


@given(text=anything, most=st.integers(1, 60))
def test_every_piece_fits(text: str, most: int) -> None:
    """Each piece is within the context, for a character always is."""
    fits = at_most(most)

    assert all(fits([piece])[0] for piece in split(text, fits))


@given(text=anything, most=st.integers(1, 60))
def test_no_sentence_that_fits_is_cut(text: str, most: int) -> None:
    """Each sentence that fits is a piece of its own, as it stands."""
    pieces = list(split(text, at_most(most)))
    start, borders = 0, {0}
    for piece in pieces:
        start += len(piece)
        borders.add(start)
    start = 0
    for sentence in sentences_of(text):
        end = start + len(sentence)
        if len(sentence.strip()) <= most:
            assert {start, end} == borders & set(range(start, end + 1))
        start = end


@given(text=anything)
def test_sentences_joined_are_the_text_and_each_has_a_word(text: str) -> None:
    """Sentences leave nothing out, and none is blank or mere punctuation, unless the text is."""
    found = sentences_of(text)

    assert text == "".join(found)
    if any(sign.isalnum() for sign in text):
        assert all(any(sign.isalnum() for sign in sentence) for sentence in found)
    else:
        assert 1 == len(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog. A cat.", ["A dog. ", "A cat."]),
        ("Who? Me! Yes…", ["Who? ", "Me! ", "Yes…"]),
        ("He said “No.” She left.", ["He said “No.” ", "She left."]),
        ("Dr. Smith met J. Doe. They left.", ["Dr. Smith met J. Doe. ", "They left."]),
        ("It costs 3.5 dollars, e.g. here.", ["It costs 3.5 dollars, e.g. here."]),
        ("a dog. a cat! and a cow", ["a dog. ", "a cat! ", "and a cow"]),
        ("No. It is not.", ["No. ", "It is not."]),
        ("one line\nanother line", ["one line\n", "another line"]),
        ("犬がいる。猫もいる。", ["犬がいる。", "猫もいる。"]),
        ("\n\nA dog.", ["\n\nA dog."]),
        ("A dog. ... !!! A cat.", ["A dog. ... !!! ", "A cat."]),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    """Sentences end where readers end them; abbreviations and decimals do not end one."""
    assert expected == sentences_of(text)


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("a dog, a cat, a cow and a pig", 14, ["a dog, a cat, ", "a cow and a ", "pig"]),
        ("one two three four", 9, ["one two ", "three ", "four"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("ab abcdefgh", 3, ["ab ", "abc", "def", "gh"]),
    ],
)
def test_what_is_too_long_is_cut_where_it_hurts_least(text: str, most: int, expected: list[str]) -> None:
    """Of a long sentence as many clauses as fit are a piece; of a long clause words; of a long word letters."""
    assert expected == list(split(text, at_most(most)))


def test_pieces_are_made_as_they_are_asked_for() -> None:
    """Whoever takes the first pieces does not pay for the rest: a word of a megabyte is looked at in small steps."""
    looked = 0

    def fits(texts: Sequence[str]) -> list[bool]:
        nonlocal looked
        looked += sum(len(text) for text in texts)
        return [len(text) <= 10 for text in texts]

    pieces = split("x" * 100_000, fits)
    first = [next(pieces) for _ in range(3)]

    assert ["x" * 10] * 3 == first
    # whole at each of the levels above letters, once or twice
    assert looked < 1_000_000


def test_a_character_that_does_not_fit_is_left() -> None:
    """Where nothing fits, each character is a piece: it ends, and nothing is lost."""
    assert ["a", "b"] == list(split("ab", lambda texts: [False] * len(texts)))


@pytest.mark.parametrize("unit", ["A. ", ". ", "\n", '."', "x", ", ", "a ", "Dr. x ", " \n\t", "。", "...... a"])
def test_no_text_takes_long(unit: str) -> None:
    """The longest text that is allowed, of whatever it consists, is split in a moment: time grows as its length does."""
    text = (unit * 20_000)[:20_000]
    began = time.process_time()

    pieces = list(islice(split(text, at_most(100)), MAX_PIECES))

    assert text.startswith("".join(pieces))
    assert time.process_time() - began < 1


def test_blanks_without_end_take_no_time() -> None:
    """Models pass over blanks, so a text may be hardly more than them: looking for a dash behind them takes a moment too."""
    text = "word " * 60 + " " * 20_000 + "word — " * 60
    began = time.process_time()

    pieces = list(split(text, lambda texts: [len(text.split()) <= 50 for text in texts]))

    assert text == "".join(pieces)
    assert time.process_time() - began < 1


def test_of_many_sentences_those_that_are_asked_for_are_looked_at() -> None:
    """Who takes the first pieces of ten thousand short sentences has hundreds looked at, not all."""
    looked = 0

    def fits(texts: Sequence[str]) -> list[bool]:
        nonlocal looked
        looked += len(texts)
        return [True] * len(texts)

    assert MAX_PIECES + 1 == len(list(islice(split("A dog. " * 10_000, fits), MAX_PIECES + 1)))
    assert looked < 10 * MAX_PIECES
