"""Edited captions as tensors: every label stands at the word it belongs to, whatever the tokenizer makes of the words."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from models.negatives.edited import Edited, aligned, unedited
from models.negatives.editor import Caption
from models.training.editing import EditMaker, Vocabulary
from models.training.tokenizer import train_tokenizer
from tests.models.training.edits import ColourEditor

TEXTS = ("a red circle", "a small blue star on grey", "two extraordinarily orange hexagons", "nothing")
VOCABULARY = Vocabulary(("a", "red", "blue", "orange", "circle"))


@pytest.fixture(scope="module", params=[264, 400])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """A tokenizer that knows hardly more than bytes, and one that knows whole words."""
    return train_tokenizer(TEXTS * 50, request.param)


def make_maker(tokenizer: Tokenizer, unedited_share: float = 0.0) -> EditMaker:
    """With the test's own editor."""
    return EditMaker(ColourEditor(), tokenizer, VOCABULARY, unedited_share)


def test_every_token_is_of_its_word(tokenizer: Tokenizer) -> None:
    """The tokens of a word, decoded, are the word; markers and padding are of none."""
    batch = make_maker(tokenizer).lay_out([unedited(text) for text in TEXTS])

    for row, text in enumerate(TEXTS):
        for place, word in enumerate(text.split()):
            ids = batch.ids[row][batch.word_of[row] == place].tolist()
            assert word == tokenizer.decode(ids).strip()
        assert len(text.split()) == batch.there[row].sum()
    assert (batch.word_of[:, 0] == -1).all()


def test_labels_stand_at_changed_words(tokenizer: Tokenizer) -> None:
    """A changed word is wrong though it has another number of tokens; its right word is a place in the vocabulary."""
    edits = [
        aligned("a red circle", "a extraordinarily circle", "mlm"),
        unedited("a blue circle"),
        aligned("one blue star", "one red moon", "mlm"),
    ]

    batch = make_maker(tokenizer).lay_out(edits)

    assert [[False, True, False], [False] * 3, [False, True, True]] == batch.wrong.tolist()
    assert [True, False, True] == batch.changed.tolist()
    # "star" is not in the vocabulary: it counts for detection only
    assert [[0, 1], [2, 1]] == batch.places.tolist()
    assert ["red", "blue"] == [VOCABULARY.words[index] for index in batch.words]


def test_a_batch_without_edits_is_a_batch(tokenizer: Tokenizer) -> None:
    """Nothing wrong, nothing to correct, and a text without words: shapes stay what they are."""
    batch = make_maker(tokenizer).lay_out([unedited("!"), unedited("a")])

    assert (0, 2) == batch.places.shape
    assert (0,) == batch.words.shape
    assert [[False], [True]] == batch.there.tolist()


def test_draws_are_determined_by_the_generator(tokenizer: Tokenizer) -> None:
    """Equal generators draw equal edits; another one draws others."""
    captions, maker = [Caption(text) for text in TEXTS * 4], make_maker(tokenizer, 0.5)

    first, again, other = (maker.draw(captions, np.random.default_rng(seed)) for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_some_texts_stay(tokenizer: Tokenizer, share: float) -> None:
    """About that share of texts is left as it is; what the editor cannot edit stays too, and every caption has its text."""
    captions = [Caption("a red circle")] * 400 + [Caption("nothing")]

    drawn = make_maker(tokenizer, share).draw(captions, np.random.default_rng(0))

    assert share == pytest.approx(sum(edit.kind == "none" for edit in drawn[:-1]) / 400, abs=0.08)
    assert unedited("nothing") == drawn[-1]


def test_the_vocabulary_is_the_most_frequent_words() -> None:
    """Counted without case, ties by the alphabet, so that it does not depend on the order of captions."""
    captions = ["A red dog", "a cat", "Dog a", "the red cat"]

    vocabulary = Vocabulary.of(captions, 3)

    assert ("a", "cat", "dog") == vocabulary.words == Vocabulary.of(reversed(captions), 3).words
    assert 3 == len(vocabulary)
    assert [0, -1, -1] == [vocabulary.index(word) for word in ("a", "the", None)]


def test_ids_are_the_tokenizers(tokenizer: Tokenizer) -> None:
    """Rows are the tokenizer's ids, then zeros."""
    batch = make_maker(tokenizer).lay_out([unedited(text) for text in TEXTS])

    for row, text in zip(batch.ids, TEXTS, strict=True):
        ids = tokenizer.encode(text).ids
        assert ids == row[: len(ids)].tolist()
        assert not row[len(ids) :].any()
    assert torch.long == batch.ids.dtype


def test_each_caption_has_as_many_edits_as_asked(tokenizer: Tokenizer) -> None:
    """Several texts of one pair stand together, and say whose they are."""
    maker = EditMaker(ColourEditor(), tokenizer, VOCABULARY, 0.0, per_caption=3)
    captions = [Caption("a red circle"), Caption("a blue circle")]

    batch = maker.lay_out_each(maker.draw_each(captions, np.random.default_rng(0)))

    assert [0, 0, 0, 1, 1, 1] == batch.owner.tolist()
    assert batch.changed.all()
    right = [VOCABULARY.words[index] for index in batch.words]
    assert ["red"] * 3 + ["blue"] * 3 == right


def test_texts_can_be_left_out(tokenizer: Tokenizer) -> None:
    """What is kept is what laying out the kept texts alone would give, but for padding; the owners stay."""
    edits = [
        aligned("a red circle", "a blue circle", "mlm"),
        aligned("a red circle", "an orange star", "mlm"),
        unedited("a red circle"),
        aligned("one blue star", "one red star", "mlm"),
    ]
    maker = make_maker(tokenizer)

    found = maker.lay_out(edits).only(torch.tensor([True, False, True, True]))
    alone = maker.lay_out([edits[0], edits[2], edits[3]], [0, 2, 3])

    assert [0, 2, 3] == found.owner.tolist() == alone.owner.tolist()
    assert torch.equal(alone.places, found.places)
    assert torch.equal(alone.words, found.words)
    assert torch.equal(alone.changed, found.changed)
    assert torch.equal(alone.ids, found.ids[:, : alone.ids.shape[1]])


class _Likely(ColourEditor):
    """Finds all of its edits likely."""

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """As others, marked."""
        return [each and dataclasses.replace(each, likely=True) for each in super().edit(captions, rng)]


def test_likely_edits_are_for_training_alone(tokenizer: Tokenizer) -> None:
    """What may be true of the image is drawn for steps, whose towers judge it, and not for figures."""
    maker = EditMaker(_Likely(), tokenizer, VOCABULARY, 0.0)
    captions, rng = [Caption("a red circle")], np.random.default_rng(0)

    assert [unedited("a red circle")] == maker.draw(captions, rng)
    assert maker.draw_each(captions, rng)[0][0].likely


def test_likely_edits_stay_marked(tokenizer: Tokenizer) -> None:
    """Which edits a language model finds likely goes along; where it marked none, nothing does."""
    plain = [aligned("a red circle", "a blue circle", "mlm"), unedited("a red circle")]
    maker = make_maker(tokenizer)
    batch = maker.lay_out([dataclasses.replace(plain[0], likely=True), *plain])

    assert batch.likely is not None
    assert [True, False, False] == batch.likely.tolist()
    assert [True, False] == batch.only(torch.tensor([True, False, True])).likely.tolist()
    assert batch.each(lambda tensor: tensor).likely is batch.likely
    assert maker.lay_out(plain).likely is None is maker.lay_out(plain).each(lambda tensor: tensor).likely
