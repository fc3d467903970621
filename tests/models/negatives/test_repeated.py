"""Captions with more than one error."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.negatives.edited import Edited
from models.negatives.editor import Caption, Editor
from models.negatives.lexicon import Lexicon
from models.negatives.repeated import Repeated
from models.negatives.rules import RuleEditor
from models.negatives.words import split_words

TEXT = "a small red circle on the left, a large blue star on the right and two green hexagons above a white cross"


def edits_of(editor: Editor, seed: int, count: int = 20) -> list[Edited]:
    """Edits of one caption."""
    found = editor.edit([Caption(TEXT)] * count, np.random.default_rng(seed))
    return [edit for edit in found if edit is not None]


@given(st.integers(0, 50))
def test_labels_are_of_the_original(seed: int) -> None:
    """After any number of edits a word is wrong if and only if it is not the original's, but for a noun's number; should be what the original has."""
    original = [word.text for word in split_words(TEXT)]
    for edit in edits_of(Repeated(RuleEditor(Lexicon()), share=0.8), seed, 4):
        for was, word, wrong, belongs in zip(original, edit.words, edit.wrong, edit.should_be, strict=True):
            assert not wrong or word.text != was
            assert belongs == (was if wrong else None)
            assert wrong or word.text == was or word.text.rstrip("s") == was.rstrip("s") or was in ("a", "an")


def test_more_words_are_wrong() -> None:
    """A share of 1 makes more errors than none, and *most* bounds the edits."""
    rules = RuleEditor(Lexicon(), ("attribute",))
    errors = [sum(map(sum, (edit.wrong for edit in edits_of(each, 0)))) for each in (
        rules, Repeated(rules, 1.0, 2), Repeated(rules, 1.0, 4)
    )]  # fmt: skip

    assert errors[0] == 20
    assert errors[0] < errors[1] <= 40
    assert errors[1] < errors[2] <= 80


@given(st.integers(0, 200))
def test_edits_do_not_undo_each_other(seed: int) -> None:
    """No later edit swaps or turns round: whatever is said twice over stays as false as the first edit made it."""
    text = "a red cat left of a blue dog"
    editor = Repeated(RuleEditor(Lexicon(), ("swap", "relation")), 1.0)

    (edit,) = editor.edit([Caption(text)], np.random.default_rng(seed))

    assert edit is not None
    assert edit.kind in ("swap", "relation")
    assert edit.text != "a blue dog right of a red cat"


def test_the_share_has_several_edits() -> None:
    """Without swaps an edit makes one word wrong: the share has from two to *most* wrong words, the rest has one."""
    editor = Repeated(RuleEditor(Lexicon(), ("attribute",)), 0.4, 4)

    errors = np.array([sum(edit.wrong) for edit in edits_of(editor, 0, 1000)])

    assert set(errors.tolist()) <= {1, 2, 3, 4}
    # a later edit may meet a word that was edited already: no more than a few do
    assert 0.3 < (errors > 1).mean() < 0.45
    assert all((errors == number).mean() > 0.02 for number in (2, 3, 4))


def test_no_share_changes_nothing() -> None:
    """Share 0 gives the editor's own edits."""
    rules = RuleEditor(Lexicon())

    assert edits_of(rules, 3) == edits_of(Repeated(rules, 0.0), 3)


def test_what_cannot_be_edited_is_none() -> None:
    """As with any editor."""
    assert [None] == Repeated(RuleEditor(Lexicon()), 1.0).edit([Caption("of the")], np.random.default_rng(0))


def test_an_edit_that_cannot_be_labelled_is_not_made() -> None:
    """Where the second edit would take a word away the first stands alone."""

    class Shortens:
        version = "shortens"

        def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
            words = ["red" if len(captions[0].text.split()) == 2 else "", "box"]
            text = " ".join(filter(None, [words[0], "box"])) if captions[0].text == "blue box" else "box"
            parts = split_words(text)
            return [
                Edited(text, parts, (True,) + (False,) * (len(parts) - 1), ("blue",) + (None,) * (len(parts) - 1), "x")
            ]

    (edit,) = Repeated(Shortens(), 1.0).edit([Caption("blue box")], np.random.default_rng(0))

    assert edit is not None
    assert edit.text == "red box"


@pytest.mark.parametrize(("share", "most"), [(-0.1, 2), (1.1, 2), (0.5, 1)])
def test_settings_out_of_range_are_refused(share: float, most: int) -> None:
    """A share is one, and several edits are at least two."""
    with pytest.raises(ValueError, match="share"):
        Repeated(RuleEditor(Lexicon()), share, most)


def test_the_version_follows_the_settings() -> None:
    """Stored edits of other settings are not used."""
    rules = RuleEditor(Lexicon())

    assert len({Repeated(rules, 0.5).version, Repeated(rules, 0.5, 2).version, Repeated(rules, 0.2).version}) == 3
