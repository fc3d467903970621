"""Words that the image tower tells by itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from models.training.checkpoint import resume, save_checkpoint
from models.training.objective import with_tagging
from models.training.recipe import TaggingPart
from models.training.step import How, accumulate
from models.training.tagging import Tagging
from tests.models.training.tiny import SIZE, distance, tiny_batches, tiny_objective, tiny_recipe, tiny_trainer, weights

PART = TaggingPart(weight=0.5)
# of the tiny pairs
WORDS = 10


def test_a_word_is_there_if_any_place_says_so() -> None:
    """Where in the picture it is seen does not matter, and places that say less add nothing."""
    torch.manual_seed(0)
    tagging, level = Tagging(PART, channels=3, words=4), torch.randn(2, 3, 4, 4)

    logits = tagging(level)

    torch.testing.assert_close(logits, tagging(level.flatten(2)[:, :, torch.randperm(16)].view(2, 3, 2, 8)))
    torch.testing.assert_close(logits, tagging(torch.cat([level, level - 1], dim=3)))
    torch.testing.assert_close(logits, tagging.read(level.amax(dim=(2, 3))))


@given(st.integers(0, 50), st.integers(1, 6))
def test_the_loss_does_not_grow_with_words_that_nobody_says(more: int, said: int) -> None:
    """It is cross-entropy for each word that is said; words that are rightly taken to be absent add nothing."""
    logits = torch.randn(3, 6, generator=torch.Generator().manual_seed(said))
    there = torch.arange(6)[None].expand(3, -1) < said
    expected = functional.binary_cross_entropy_with_logits(logits, there.float()) * 6 / said

    found = Tagging(PART, 2, 6).loss(
        functional.pad(logits, (0, more), value=-50.0), functional.pad(there, (0, more), value=False)
    )

    torch.testing.assert_close(expected, found)


def test_pictures_without_any_known_word_are_no_error() -> None:
    """A batch of captions that the vocabulary knows no word of has a loss that is a number."""
    assert Tagging(PART, 2, 6).loss(torch.zeros(3, 6), torch.zeros(3, 6, dtype=torch.bool)).isfinite()


def test_a_batch_says_which_words_all_captions_of_a_picture_have() -> None:
    """Whichever caption a picture is shown with, the words of its others are there too."""
    batches = tiny_batches(plain=True, tags=True)
    batch = batches.batch(0)

    assert batch.said is not None
    assert batch.rows is not None
    assert batches.tags is not None
    for row, said in zip(batch.rows.tolist(), batch.said.numpy(), strict=True):
        words = {batches.tags.words[place] for place in np.flatnonzero(said)}
        assert {word for text in batches.pairs.captions[row] for word in text.split()} == words
    assert tiny_batches(plain=True).batch(0).said is None


@pytest.mark.parametrize("plain", [True, False])
def test_it_teaches_the_image_tower_and_no_text(*, plain: bool) -> None:
    """The loss is a part of the total by its weight, and its gradient reaches the image tower's first weights only."""
    objective = with_tagging(tiny_objective(plain=plain), PART, SIZE, WORDS)
    without = tiny_objective(plain=plain)
    batch = tiny_batches(plain=plain, tags=True).batch(0).prepared(objective.towers)

    parts = objective(batch)
    parts["tagging"].backward()

    torch.testing.assert_close(without(batch)["total"] + PART.weight * parts["tagging"], parts["total"])
    assert objective.towers.visual.conv1.weight.grad.abs().sum() > 0
    assert objective.towers.token_embedding.weight.grad is None


@pytest.mark.parametrize("chunk", [3, 4])
def test_chunks_have_the_gradient_of_the_whole(chunk: int) -> None:
    """Encoded in parts, a batch teaches what it teaches at once."""

    def slopes(size: int) -> dict[str, torch.Tensor]:
        objective = with_tagging(tiny_objective(plain=True), PART, SIZE, WORDS).train()
        torch.manual_seed(1)
        torch.nn.init.normal_(objective.get_parameter("tagging.read.weight"))
        batch = tiny_batches(plain=True, tags=True).batch(0).prepared(objective.towers)
        accumulate(objective, batch, {}, how=How(size))
        return {name: each.grad for name, each in objective.named_parameters() if each.grad is not None}

    whole, parts = slopes(0), slopes(chunk)

    assert "tagging.read.weight" in whole
    assert whole.keys() == parts.keys()
    for name, expected in whole.items():
        torch.testing.assert_close(expected, parts[name], atol=1e-6, rtol=1e-4)


def test_a_run_with_it_goes_on_to_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    """The layer is a part of the checkpoint, bit for bit."""
    unbroken, stopped, resumed = (tiny_trainer(tiny_recipe(tagging=PART)) for _ in range(3))
    list(unbroken.run())
    list(stopped.run(until=3))
    save_checkpoint(tmp_path / "state.pt", stopped)
    resume(resumed, tmp_path / "state.pt")

    list(resumed.run())

    assert "tagging.read.weight" in weights(unbroken)
    assert 0.0 == distance(weights(unbroken), weights(resumed))


def test_it_learns_which_words_there_are() -> None:
    """A run of a few steps takes the loss down."""
    trainer = tiny_trainer(tiny_recipe(plain=True, tagging=PART, learning_rate=1e-2))

    parts = [step.parts["tagging"] for step in trainer.run()]

    assert parts[-1] < 0.9 * parts[0]
