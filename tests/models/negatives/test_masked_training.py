"""Training the small masked language model."""

import dataclasses

import pytest

from models.negatives.errors import CorpusTooSmall
from models.negatives.masked_training import train_masked_lm
from tests.models.negatives.small_lm import SETTINGS, captions, trained


def test_it_learns_more_than_frequencies() -> None:
    """A minute's training guesses held-out words better than their frequencies do, and the loss falls."""
    _, losses, report = trained()

    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert report.accuracy > 1.5 * report.unigram_accuracy
    assert report.perplexity < 0.6 * report.unigram_perplexity
    assert report.words > 10


def test_equal_seeds_give_equal_models() -> None:
    """A run is decided by its captions and settings."""
    short = dataclasses.replace(SETTINGS, steps=2)
    runs = [train_masked_lm(captions(), settings) for settings in (short, short, dataclasses.replace(short, seed=1))]
    losses = [[step.loss for step in run.run()] for run in runs]

    assert losses[0] == losses[1] != losses[2]
    assert runs[0].model().version == runs[1].model().version != runs[2].model().version


def test_progress_counts_down() -> None:
    """Each step tells its number, of how many, its speed and the time left, which ends at none."""
    steps = list(train_masked_lm(captions(), dataclasses.replace(SETTINGS, steps=3)).run())

    assert [(1, 3), (2, 3), (3, 3)] == [(step.number, step.of) for step in steps]
    assert 0 == steps[-1].seconds_left and all(step.captions_per_s > 0 for step in steps)


def test_too_few_captions_are_refused() -> None:
    """Less than twenty captions are no corpus."""
    with pytest.raises(CorpusTooSmall, match="3 captions are too few"):
        train_masked_lm(["a dog"] * 3, SETTINGS)
