"""False captions made of a data set's own."""

import subprocess
import sys
from dataclasses import replace

import pytest

from models.evaluation.dataset import Dataset, DatasetInvalid
from models.evaluation.layouts import scenes
from models.evaluation.made_edits import MASKED, made_edits, with_made_edits
from models.negatives.edited import aligned
from models.negatives.rules import RULE_KINDS
from tests.models.evaluation.made import colours
from tests.models.negatives.small_lm import trained

KNOWN = [("a red dog left of two black cats", "a dog beside cats"), ("a blue car on a road", "the car is blue")]


def _bare(data: Dataset) -> Dataset:
    return replace(data, entries=tuple(replace(each, edits=()) for each in data.entries))


def test_each_source_makes_one_edit_of_each_caption_at_most() -> None:
    """An edit differs from the caption that it names, and no caption has two of one kind; kinds are the rules' names."""
    for captions, edits in zip(KNOWN, made_edits(KNOWN, KNOWN), strict=True):
        assert len({(each.kind, each.caption) for each in edits}) == len(edits) > 0
        assert {each.kind for each in edits} <= set(RULE_KINDS)
        assert all(each.text != captions[each.caption] for each in edits)


def test_no_edit_says_what_another_caption_of_its_picture_says() -> None:
    """A word that stands in another caption of the picture is true of it, and is never put in."""
    texts = [("a red dog", "a blue dog"), ("a green dog",), ("a blue car",)] * 5

    for captions, edits in zip(texts, made_edits(texts, texts), strict=True):
        others = [frozenset(text.split()) - {"a", "dog"} for text in captions]
        for edit in edits:
            elsewhere = frozenset[str]().union(*others[: edit.caption], *others[edit.caption + 1 :])
            assert edit.kind == "swap" or not elsewhere & set(edit.text.split())


def test_edits_are_determined_by_their_seed() -> None:
    """Equal texts and seeds give equal edits, other seeds others."""
    texts = [entry.captions for entry in scenes.load(6, 3).entries]

    assert made_edits(texts, texts, seed=1) == made_edits(texts, texts, seed=1) != made_edits(texts, texts, seed=2)


def test_a_language_model_edits_one_word() -> None:
    """Its kind is "masked", beside the same edits by rule, and of each caption one word is another."""
    texts = [entry.captions for entry in scenes.load(4, 3).entries]
    with_model, by_rule = made_edits(texts, texts, trained()[0].model()), made_edits(texts, texts)

    masked = [(row, each) for row, edits in enumerate(with_model) for each in edits if each.kind == MASKED]
    assert [[each for each in edits if each.kind != MASKED] for edits in with_model] == list(map(list, by_rule))
    assert masked
    assert {1} == {sum(aligned(texts[row][each.caption], each.text, "").wrong) for row, each in masked}


def test_a_data_set_says_that_its_edits_are_made() -> None:
    """Pictures and captions stay, in order; the source names the way and the seed."""
    bare = _bare(colours())

    made = with_made_edits(bare, seed=7)

    assert "colours, edited by rule (seed 7)" == made.source
    assert bare == _bare(replace(made, source=bare.source))
    assert any(each.edits for each in made.entries)
    assert "rule and language model" in with_made_edits(bare, trained()[0].model()).source


def test_edits_of_others_are_not_mixed_with_made_ones() -> None:
    """A data set with false captions of its own is refused, and so is one whose captions no rule can edit."""
    with pytest.raises(DatasetInvalid, match="colours has false captions of its own: leave --make-edits out"):
        with_made_edits(colours())
    entries = tuple(replace(each, captions=("of the",), labels=(), edits=()) for each in colours().entries)
    with pytest.raises(DatasetInvalid, match="no caption of colours could be edited: expected English"):
        with_made_edits(replace(colours(), entries=entries))


def test_rules_need_no_torch() -> None:
    """Edits by rule are made where torch is not installed."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from models.evaluation.made_edits import made_edits\n"
        "print(len(made_edits([('a red dog',)], [('a red dog',)])))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "1" == done.stdout.strip(), done.stderr
