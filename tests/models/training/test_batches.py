"""Batches by number: a batch follows from the seed and its step alone, whoever makes it."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.batch import Batch
from models.training.batches import Batches
from models.training.data import SceneArrays
from models.training.editing import EditMaker, Vocabulary
from models.training.tokenizer import train_tokenizer
from models.training.views import View
from tests.models.training.edits import ColourEditor

TEXTS = ("a red circle", "two blue stars", "nothing at all")
TOKENIZER = train_tokenizer(TEXTS * 50, 320)


def make_pairs(count: int) -> SceneArrays:
    """Pictures of 4 pixels a side that hold their own row; the first has one caption, others have three."""
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 3))
    captions = [TEXTS[:1], *[TEXTS] * (count - 1)]
    return SceneArrays(images, captions, np.zeros(count, bool))


def draw_view(text: str, rng: np.random.Generator) -> View:
    """Brighter by lot, and mirrored beside a certain text."""
    return View(mirrored="nothing" in text, brightness=float(rng.uniform(0.5, 1.5)))


def make_batches(count: int = 16, size: int = 4, seed: int = 1, per_caption: int = 2) -> Batches:
    """Batches with all that can be drawn."""
    edits = EditMaker(ColourEditor(), TOKENIZER, Vocabulary.of(TEXTS, 20), 0.3, per_caption)
    return Batches(make_pairs(count), TOKENIZER, size, seed, edits, draw_view)


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    """All tensors of a batch by name."""
    assert batch.edited is not None
    found = {**vars(batch), **vars(batch.edited)}
    return {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}


def same(one: Batch, other: Batch) -> bool:
    """Whether two batches are equal in everything."""
    first, second = tensors(one), tensors(other)
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def texts_of(batch: Batch) -> list[str]:
    """The edited texts; parts of a batch have less padding (id 0 is "!")."""
    assert batch.edited is not None
    return [TOKENIZER.decode(row.tolist()).strip(" !") for row in batch.edited.ids]


@pytest.mark.parametrize(("count", "size"), [(12, 4), (13, 4), (5, 5)])
def test_an_epoch_shows_no_picture_twice(count: int, size: int) -> None:
    """Within an epoch rows are distinct, and all but the last incomplete batch of them come."""
    batches = make_batches(count, size)

    rows = np.concatenate([batches.rows(step)[0] for step in range(batches.per_epoch)])

    assert count // size * size == len(set(rows.tolist())) == len(rows)


def test_epochs_and_seeds_differ() -> None:
    """Another epoch, and another seed, has another order."""

    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = make_batches(40, 4, seed)
        return [batches.rows(epoch * 10 + step)[0].tolist() for step in range(10)]

    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_every_caption_gets_its_turn() -> None:
    """Over many epochs each caption of a picture is chosen, and none that it does not have."""
    batches = make_batches(8, 8)
    chosen = np.stack([batches.rows(step)[1] for step in range(30)])

    assert {0} == set(chosen[:, 0].tolist())
    assert all({0, 1, 2} == set(column.tolist()) for column in chosen.T[1:])


@settings(max_examples=15, deadline=None)
@given(step=st.integers(0, 10_000))
def test_a_batch_follows_from_its_number(step: int) -> None:
    """Made first, or after others, by this object or by another one, it is the same."""
    used = make_batches()
    used.batch(step + 1)

    assert same(make_batches().batch(step), used.batch(step))


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_the_joint_batch(world: int) -> None:
    """Put together, the ranks' parts are the batch of one process: pictures, captions, views and edits."""
    batches = make_batches(size=8)
    whole, parts = batches.batch(5), [batches.batch(5, rank, world) for rank in range(world)]

    for name in ("pixels", "rows", "choices"):
        torch.testing.assert_close(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))
    assert texts_of(whole) == [text for part in parts for text in texts_of(part)]


def test_a_joint_batch_that_cannot_be_divided_is_refused() -> None:
    """Ranks with unequal parts would weigh their pairs unequally."""
    with pytest.raises(ValueError, match="batch of 4 cannot be divided among 3 ranks"):
        make_batches().batch(0, 0, 3)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_change_nothing(workers: int) -> None:
    """Batches come in order and are those of `batch`, whatever process made them; torch's random state stays."""
    batches = make_batches()
    before = torch.get_rng_state()

    found = list(batches.loader(3, 8, workers=workers))

    assert 5 == len(found)
    assert all(same(batches.batch(step), batch) for step, batch in zip(range(3, 8), found, strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_pixels_and_texts_belong_together() -> None:
    """Pixels are those of the rows and ids those of the chosen captions."""
    batches = dataclasses.replace(make_batches(), view=None, edits=None)

    batch = batches.batch(2)

    assert batch.rows is not None
    assert batch.choices is not None
    assert batch.edited is None
    assert batch.rows.tolist() == batch.pixels[:, 0, 0, 0].tolist()
    captions = [TEXTS[choice] for choice in batch.choices.tolist()]
    assert captions == [TOKENIZER.decode(row.tolist()).strip(" !") for row in batch.ids]


def test_a_view_is_of_its_caption() -> None:
    """The view is drawn beside the very caption that the picture is shown with."""
    seen: list[str] = []

    def note(text: str, _: np.random.Generator) -> View:
        seen.append(text)
        return View()

    batch = dataclasses.replace(make_batches(), view=note).batch(3)

    assert batch.choices is not None
    assert [TEXTS[choice] for choice in batch.choices.tolist()] == seen


def test_a_view_is_of_all_captions_whose_words_are_tags() -> None:
    """Where the words of every caption are asked of a picture, none of them speaks of a side beside a mirrored picture."""
    seen: list[str] = []

    def note(text: str, _: np.random.Generator) -> View:
        seen.append(text)
        return draw_view(text, np.random.default_rng(0))

    tagged = dataclasses.replace(make_batches(), view=note, tags=Vocabulary.of(TEXTS, 20))
    batch = tagged.batch(3)

    assert batch.rows is not None
    assert ["\n".join(tagged.pairs.captions[row]) for row in batch.rows.tolist()] == seen


def test_too_few_pairs_are_refused() -> None:
    """A batch that cannot be filled is an error before the first step."""
    with pytest.raises(ValueError, match="a batch of 4 needs as many pairs, and there are 3"):
        make_batches(count=3)
