"""Edits by a masked language model, with a model that says what the test wants."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from models.negatives.editor import Caption
from models.negatives.filters import default_filters
from models.negatives.lexicon import Lexicon
from models.negatives.masked import Guess, MaskedEditor, MaskedSettings, in_batches
from models.negatives.words import Word


class Says:
    """Gives every place the same guesses, with equal probabilities, and keeps what it was asked."""

    version = "says"

    def __init__(self, words: str, original: float | None = 0.0) -> None:
        self.words = tuple(words.split())
        self.original = original
        self.asked: list[tuple[str, str]] = []

    def knows(self, word: str) -> bool:
        """All but one word."""
        return word != "unknown"

    def guess(self, texts: Sequence[tuple[str, Word]], top: int) -> list[Guess]:
        """The words."""
        self.asked += [(text, word.text) for text, word in texts]
        words = self.words[:top]
        log_p = np.full(len(words), -float(np.log(len(words))))
        return [Guess(words, log_p, self.original) for _ in texts]


def edits(model: Says, text: str, *others: str, count: int = 30, **settings: float) -> set[str | None]:
    """The texts of many draws."""
    editor = MaskedEditor(model, Lexicon(), settings=MaskedSettings(**settings))
    made = editor.edit([Caption(text, others)] * count, np.random.default_rng(0))
    return {edit and edit.text for edit in made}


def test_a_content_word_gives_way_to_a_guess() -> None:
    """One of few content words is replaced by a word of the same part of speech; stop-words stay."""
    assert {"the zebra sleeping", "the dog running"} == edits(Says("zebra running the of"), "the dog sleeping")


@pytest.mark.parametrize("guess", ["dogs", "dog", "puppy", "the", "box", "zebras", "red", "horse"])
def test_what_would_stay_true_is_not_drawn(guess: str) -> None:
    """Neither forms of the word, synonyms, stop-words, other words of the caption or of its image's other captions."""
    assert {None} == edits(Says(guess), "a dog for unknown", "a horse near a box")


def test_one_and_more_do_not_mix() -> None:
    """A number stays one or stays more, as the noun after it says."""
    assert {"three kings"} == edits(Says("one three"), "two kings") - {None}
    assert {None} == edits(Says("two"), "one unknown")


def test_what_the_model_likes_better_is_dropped() -> None:
    """A word that the model finds likelier than the original may be true: without the image it cannot tell."""
    assert {None} == edits(Says("zebra", original=-1.0), "a dog")
    assert {"a zebra"} == edits(Says("zebra", original=1.0), "a dog")
    assert {"a zebra"} == edits(Says("zebra", original=None), "a dog")


@pytest.mark.parametrize(("original", "expected"), [(-1.0, True), (1.0, False), (None, False)])
def test_likely_edits_are_marked_if_asked(original: float | None, expected: bool) -> None:
    """Words beyond the limit mark their edit where the filter lets them pass; what is unknown is not likely."""
    filters, model = default_filters(likelihood=math.inf), Says("zebra", original=original)
    marking, plain = (MaskedEditor(model, Lexicon(), filters, MaskedSettings(likely=limit)) for limit in (1.0, None))

    (marked,), (unmarked,) = (each.edit([Caption("a dog")], np.random.default_rng(0)) for each in (marking, plain))

    assert marked is not None and unmarked is not None
    assert (expected, False) == (marked.likely, unmarked.likely)
    assert marking.version != plain.version


def test_later_words_see_earlier_edits() -> None:
    """Words are masked one after the other: the second is guessed in the text with the first in it."""
    model = Says("zebra cup")

    edits(model, "dog unknown bird", count=1, least=1.0, most=1.0)

    first, second = model.asked
    assert "dog unknown bird" == first[0]
    assert second[0] != first[0] and {"dog", "bird"} == {first[1], second[1]}


def test_the_share_of_edited_words_is_as_set() -> None:
    """At least one word is edited, and no more than the share allows."""
    text = "red blue green pink white black small large"
    words = "orange yellow purple cyan gray tan beige teal huge tiny long"
    editor = MaskedEditor(Says(words), Lexicon(), settings=MaskedSettings(least=0.2, most=0.4))

    made = editor.edit([Caption(text)] * 50, np.random.default_rng(0))

    counts = {sum(edit.wrong) for edit in made if edit}
    assert counts <= {1, 2, 3} and max(counts) == 3


def test_relations_and_numbers_are_chosen_more_often() -> None:
    """With a larger factor the preposition is masked more often."""
    asked = [Says("below zebra") for _ in range(2)]
    for model, factor in zip(asked, (1.0, 8.0), strict=True):
        edits(model, "dog above box", count=200, relations=factor)

    few, many = (sum(word == "above" for _, word in model.asked) for model in asked)
    assert 40 <= few <= 95 and many >= 130


def test_a_warmer_draw_is_more_even() -> None:
    """The first guess is drawn less often at a higher temperature."""
    shares: list[int] = []
    for temperature in (0.2, 5.0):
        model = Says("zebra horse")
        settings = MaskedSettings(temperature=(temperature, temperature))
        model.guess = lambda texts, top: [Guess(("zebra", "horse"), np.log([0.8, 0.2]), None) for _ in texts]  # type: ignore[method-assign]
        made = MaskedEditor(model, Lexicon(), settings=settings).edit([Caption("dog")] * 200, np.random.default_rng(0))
        shares.append(sum(edit is not None and edit.text == "zebra" for edit in made))

    assert shares[0] >= 190 and 90 <= shares[1] <= 140


def test_labels_follow_the_edits() -> None:
    """The replaced words are wrong and know what was there; articles agree; refusals are counted."""
    editor = MaskedEditor(Says("elephant puppy"), Lexicon())

    (edit,) = editor.edit([Caption("A dog")], np.random.default_rng(0))

    assert edit is not None
    assert ("An elephant", (False, True), (None, "dog"), "mlm") == (edit.text, edit.wrong, edit.should_be, edit.kind)
    assert 1 == editor.refused["kept"]


@pytest.mark.parametrize("text", ["", "it is", "no dog", "unknown"])
def test_where_nothing_can_be_chosen_there_is_no_edit(text: str) -> None:
    """No content word, a denied one, or only unknown ones: None."""
    assert {None} == edits(Says("zebra"), text)


def test_batches_hold_no_more_than_they_should() -> None:
    """Every place is asked about once and answered in its order, a few at a time; nothing is asked about nothing."""
    sizes: list[int] = []

    def guess(texts: Sequence[tuple[str, Word]], top: int) -> list[Guess]:
        sizes.append(len(texts))
        return [Guess((text,) * top, np.zeros(top), None) for text, _ in texts]

    asked = [(f"text {number}", Word("text", 0, 4)) for number in range(7)]

    found = in_batches(guess, asked, 2, 3)

    assert [3, 3, 1] == sizes
    assert [(text, text) for text, _ in asked] == [each.words for each in found]
    assert [] == in_batches(guess, [], 2, 3)
