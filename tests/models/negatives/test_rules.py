"""Edits by rule: on scenes, where the truth is known, and on plain English."""

from collections import Counter
from functools import cache

import numpy as np
import pytest

from models.negatives.changes import word_class
from models.negatives.edited import unedited
from models.negatives.editor import Caption
from models.negatives.filters import Filters
from models.negatives.lexicon import Lexicon
from models.negatives.phrases import parsed_once
from models.negatives.repeated import Repeated
from models.negatives.rules import RULE_KINDS, RuleEditor, RuleKind
from models.scenes.corpus import SceneExample, example
from tests.models.negatives.truth import false_of

PLAIN = (
    "A red ball lies next to a blue box.",
    "A man with a brown dog walks behind two women in white shirts",
    "Three boys are sitting on a wooden bench in front of a shop.",
    "a black cat sleeps under the small table",
)


@cache
def scenes() -> tuple[SceneExample, ...]:
    """A hundred training scenes."""
    return tuple(example("train", number, 0, 32) for number in range(100))


@cache
def lexicon() -> Lexicon:
    """Learnt from the scenes' captions and the plain ones."""
    return Lexicon.learn([text for each in scenes() for text in each.captions] + list(PLAIN) * 3)


def rng() -> np.random.Generator:
    """A fresh generator."""
    return np.random.default_rng(0)


@pytest.mark.parametrize("kind", RULE_KINDS)
def test_edits_of_scenes_are_false(kind: RuleKind) -> None:
    """An edited scene caption, where the grammar can read it, is false of its scene in at least 97 of 100 cases.

    The rest are scenes with more of a thing than the caption tells; the text alone cannot know.
    """
    described = [(each.scene, caption, each.captions) for each in scenes() for caption in each.described]
    captions = [
        Caption(caption.text, tuple(text for text in texts if text != caption.text)) for _, caption, texts in described
    ]

    edits = RuleEditor(lexicon(), [kind]).edit(captions, rng())

    judged = [
        false_of(edit.text, caption, scene)
        for edit, (scene, caption, _) in zip(edits, described, strict=True)
        if edit is not None
    ]
    readable = [each for each in judged if each is not None]
    assert len(readable) >= 40
    assert sum(readable) >= 0.97 * len(readable), f"{len(readable) - sum(readable)} of {len(readable)} stay true"


def test_the_truth_of_unedited_captions_is_read() -> None:
    """The reader used above finds every scene caption true of its own scene."""
    judged = [false_of(caption.text, caption, each.scene) for each in scenes() for caption in each.described]

    assert {False} == set(judged)


@pytest.mark.parametrize("kind", RULE_KINDS)
def test_edits_change_the_text_and_say_where(kind: RuleKind) -> None:
    """An edit has another text, its own kind and at least one wrong word; the wrong words are not the original's there."""
    captions = [Caption(text) for text in PLAIN] * 5

    for caption, edit in zip(captions, RuleEditor(lexicon(), [kind]).edit(captions, rng()), strict=True):
        if edit is not None:
            assert (kind, True) == (edit.kind, any(edit.wrong))
            assert caption.text.lower() != edit.text.lower()
            changed = [pair for pair in zip(edit.words, edit.should_be, strict=True) if pair[1]]
            assert all(word.text.lower() != should for word, should in changed)
            assert len(unedited(edit.text).words) == len(edit.wrong)


def test_each_kind_applies_somewhere() -> None:
    """The plain captions allow every kind of edit."""
    captions = [Caption(text) for text in PLAIN]

    made = {kind: RuleEditor(lexicon(), [kind]).edit(captions, rng()) for kind in RULE_KINDS}

    assert [] == [kind for kind, edits in made.items() if not any(edits)]


def test_words_are_wrong_about_equally_often() -> None:
    """A caption's only number is not wrong much more often than any of its attributes: the word alone tells little."""
    text = "two red boxes, a blue circle, a green star and a yellow cross"
    editor = RuleEditor(Lexicon())
    rng = np.random.default_rng(0)
    wrong: Counter[str] = Counter()
    for _ in range(600):
        (edit,) = editor.edit([Caption(text)], rng)
        assert edit is not None
        wrong.update(word for word in edit.should_be if word)

    assert {"two", "red", "blue", "green", "yellow"} <= wrong.keys()
    assert wrong["two"] < 2 * min(wrong[word] for word in ("red", "blue", "green", "yellow"))


TRADED = "a red box and a blue circle"


@pytest.mark.parametrize(
    ("kinds", "weights"),
    [
        # the words of a swap that can be others too are touched twice
        (("swap", "attribute"), {(1, 5): 1 / 2, (2, 6): 1, (1,): 1 / 2, (5,): 1 / 2}),
        (("swap", "object"), {(1, 5): 1, (2, 6): 1 / 2, (2,): 1 / 2, (6,): 1 / 2}),
        (("swap",), {(1, 5): 1, (2, 6): 1}),
    ],
)
def test_words_are_drawn_by_how_many_edits_touch_them(
    kinds: tuple[RuleKind, ...], weights: dict[tuple[int, ...], float]
) -> None:
    """Words that an edit makes wrong are drawn by the mean over them of one by the number of such sets with the word."""
    editor, lots = RuleEditor(Lexicon(nouns=dict.fromkeys(("tree", "cup", "star", "house", "lamp"), 1)), kinds), rng()
    drawn: Counter[tuple[int, ...]] = Counter()
    for _ in range(1200):
        (edit,) = editor.edit([Caption(TRADED)], lots)
        assert edit is not None
        drawn[tuple(place for place, wrong in enumerate(edit.wrong) if wrong)] += 1

    shares = {places: weight / sum(weights.values()) for places, weight in weights.items()}
    assert shares == pytest.approx({places: count / 1200 for places, count in drawn.items()}, abs=0.045)


@pytest.mark.parametrize("seed", range(20))
def test_the_only_edit_is_found(seed: int) -> None:
    """Where every edit but one is refused, that one is made, however seldom a lot finds it."""
    text = "a small red box, a large blue circle, a tiny green star, a huge yellow cross and two old hearts"
    editor = RuleEditor(Lexicon(), ("attribute", "count"), Filters({"all": lambda _: True}, "all"))

    (edit,) = editor.edit([Caption(text, ("one or four",))], np.random.default_rng(seed))

    assert edit is not None
    assert text.replace("two", "three") == edit.text


def test_edits_are_decided_by_their_lots() -> None:
    """Equal generators give equal edits, other ones others."""
    editor, captions = RuleEditor(lexicon()), [Caption(text) for text in PLAIN] * 4

    assert editor.edit(captions, rng()) == editor.edit(captions, rng())
    assert editor.edit(captions, rng()) != editor.edit(captions, np.random.default_rng(1))


@pytest.mark.parametrize("seed", range(3))
def test_edits_do_not_depend_on_what_was_edited_before(seed: int) -> None:
    """With everything forgotten, and after other captions in another order, the same captions get the same edits."""
    captions = [Caption(texts[0], texts[1:]) for each in scenes()[:20] if (texts := each.captions)]
    editor = Repeated(RuleEditor(lexicon()), 0.5)
    for forget in (parsed_once.cache_clear, word_class.cache_clear):
        forget()

    fresh = editor.edit(captions, np.random.default_rng(seed))
    editor.edit(captions[::-1], np.random.default_rng(seed + 1))

    assert fresh == editor.edit(captions, np.random.default_rng(seed))
    assert fresh == Repeated(RuleEditor(lexicon()), 0.5).edit(captions, np.random.default_rng(seed))


def test_words_of_the_other_captions_are_not_used() -> None:
    """What another caption of the image says is no edit."""
    editor = RuleEditor(lexicon(), ["attribute"])
    others = ("red orange yellow green cyan blue purple pink white brown gray navy cream mint",)

    assert [None] == editor.edit([Caption("a black cat sleeps", others)], rng())


@pytest.mark.parametrize("text", ["", "...", "what is it", "no dogs", "a man and a woman"])
def test_what_cannot_be_edited_is_none(text: str) -> None:
    """Where no swap changes the meaning there is none: nothing to swap, a denial, or equals joined by "and"."""
    assert [None] == RuleEditor(lexicon(), ["swap", "relation", "count"]).edit([Caption(text)], rng())


def test_the_version_follows_kinds_and_lexicon() -> None:
    """Other kinds or another lexicon are another version."""
    versions = {
        RuleEditor(lexicon()).version, RuleEditor(Lexicon()).version, RuleEditor(lexicon(), ["swap"]).version
    }  # fmt: skip

    assert 3 == len(versions)
