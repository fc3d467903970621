"""The average of the weights."""

import pytest
import torch
from torch import nn

from models.training.ema import Average
from tests.models.training.tiny import distance, tiny_batches, tiny_objective, tiny_recipe, tiny_trainer, weights


def test_the_average_follows_slowly() -> None:
    """After each step it moves by 1 - d of the way to the weights, with d small at first and the recipe's in the end."""
    objective = tiny_objective(plain=True)
    average = Average(objective, 0.5)
    expected, scale = 0.0, objective.towers.logit_scale
    for number in range(6):
        with torch.no_grad():
            scale.fill_(float(number))
        average.update(objective)
        decay = 0.0 if number == 0 else min(0.5, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * number

    assert pytest.approx(expected) == average.objective.towers.logit_scale.item()
    assert 5.0 == scale.item()


def test_the_average_is_another_objective() -> None:
    """It shares no weight with the one in training, is never trained itself, and stays in evaluation mode."""
    objective = tiny_objective()
    average = Average(objective, 0.9)
    own = {each.data_ptr() for each in objective.parameters()}

    assert not own & {each.data_ptr() for each in average.objective.parameters()}
    assert not any(each.requires_grad for each in average.objective.parameters())
    assert not average.objective.training
    assert objective.training


def test_memories_of_batch_normalisation_are_averaged_too() -> None:
    """Running means follow as the weights do; counts of batches are copied."""
    objective = tiny_objective(plain=True)
    norm = objective.towers.visual.extra = nn.BatchNorm1d(1)
    average = Average(objective, 0.5)
    for value in (0.0, 1.0):
        norm.running_mean.fill_(value)
        norm.num_batches_tracked.fill_(int(value))
        average.update(objective)

    kept = average.objective.towers.visual.extra
    assert 0.5 < kept.running_mean.item() < 1.0
    assert 1 == kept.num_batches_tracked.item()


def test_an_averaged_tower_reads_as_causally_as_it_did() -> None:
    """The text tower's mask, which has minus infinity, is not averaged: texts after many updates are numbers."""
    objective = tiny_objective()
    average = Average(objective, 0.9)
    for _ in range(4):
        average.update(objective)

    torch.testing.assert_close(average.objective.towers.attn_mask, objective.towers.attn_mask, rtol=0, atol=0)
    batch = tiny_batches().batch(0).prepared(objective.towers)
    found, expected = (each.eval().encode(batch) for each in (average.objective, objective))
    assert found.tokens is not None and expected.tokens is not None
    torch.testing.assert_close(found.tokens, expected.tokens)


def test_a_run_with_an_average_measures_it() -> None:
    """A run's result is the average, which differs from the weights; without one it is the weights."""
    averaged, plain = tiny_trainer(tiny_recipe(ema=0.9)), tiny_trainer(tiny_recipe())
    for trainer in (averaged, plain):
        list(trainer.run())

    assert plain.trained is plain.objective
    assert 0.0 == distance(weights(plain), weights(averaged))
    assert averaged.trained is not averaged.objective
    assert distance(weights(averaged), dict(averaged.trained.state_dict())) > 1e-5


def test_a_resumed_average_goes_on() -> None:
    """State, given back, makes a fresh average the old one: the next update gives the same."""
    objective = tiny_objective(plain=True)
    one, other = Average(objective, 0.9), Average(tiny_objective(plain=True), 0.9)
    for _ in range(3):
        with torch.no_grad():
            objective.towers.logit_scale.add_(1.0)
        one.update(objective)
    other.load_state(one.state())
    for average in (one, other):
        average.update(objective)

    assert 0.0 == distance(dict(one.objective.state_dict()), dict(other.objective.state_dict()))
