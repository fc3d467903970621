"""One step's gradients: a batch in chunks is the batch, and a batch in one chunk costs one forward pass."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from models.training.batch import Batch
from models.training.objective import Objective
from models.training.step import How, accumulate, batch_norms
from tests.models.training.tiny import (
    distance,
    tiny_batches,
    tiny_objective,
    tiny_recipe,
    tiny_trainer,
    weights,
)


def _batch(*, plain: bool = False, per_caption: int = 1, towers: nn.Module) -> Batch:
    return tiny_batches(plain=plain, per_caption=per_caption).batch(0).prepared(towers)


def _gradients(objective: Objective, batch: Batch, chunk: int, **beside: Callable) -> dict[str, torch.Tensor]:
    objective.zero_grad(set_to_none=True)
    accumulate(objective.train(), batch, {"detection": 0.5}, how=How(chunk), **beside)
    return {name: each.grad.clone() for name, each in objective.named_parameters() if each.grad is not None}


def expect_equal(whole: dict[str, torch.Tensor], parts: dict[str, torch.Tensor]) -> None:
    """Every gradient of the whole is that of the parts: float32 keeps seven digits of the greatest."""
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=2e-6 * max(1.0, value.abs().max().item()), msg=name)


@pytest.mark.parametrize("chunk", [1, 3, 4])
@pytest.mark.parametrize("plain", [True, False])
def test_chunks_give_the_gradients_of_the_whole(chunk: int, plain: bool) -> None:
    """Whatever the chunk, every weight has the gradient that it has when the batch is encoded at once."""
    objective = tiny_objective(plain=plain)
    batch = _batch(plain=plain, towers=objective.towers)

    whole, parts = (_gradients(objective, batch, size) for size in (0, chunk))

    assert whole.keys() == parts.keys()
    expect_equal(whole, parts)


def test_chunks_of_clips_give_the_gradients_of_the_whole() -> None:
    """A clip's frames stay together, in whichever chunk it is."""
    objective = tiny_objective()
    batch = _batch(towers=objective.towers)
    # three frames: the picture, its mirror image, and its negative
    batch = replace(batch, pixels=torch.stack([batch.pixels, batch.pixels.flip(-1), -batch.pixels], dim=1))

    whole, parts = (_gradients(objective, batch, size) for size in (0, 3))

    assert any("visual" in name for name in whole)
    expect_equal(whole, parts)


def test_several_edits_of_a_caption_stay_with_their_picture() -> None:
    """With three edited texts for each caption, chunks have those of their own pairs."""
    objective = tiny_objective()
    batch = _batch(per_caption=3, towers=objective.towers)

    whole, parts = (_gradients(objective, batch, size) for size in (0, 3))

    expect_equal(whole, parts)


def test_a_step_is_the_objectives_loss() -> None:
    """One chunk on one process gives the gradients, and tells the losses, of the objective called as a whole."""
    objective = tiny_objective().train()
    batch = _batch(towers=objective.towers)
    with How().attention():
        parts = objective(batch, 0.5)
    parts["total"].backward()
    expected = {name: each.grad.clone() for name, each in objective.named_parameters() if each.grad is not None}
    objective.zero_grad(set_to_none=True)

    outcome = accumulate(objective, batch, {"detection": 0.5, "correction": 0.5})

    assert parts.keys() == outcome.parts.keys()
    for name, value in parts.items():
        torch.testing.assert_close(outcome.parts[name], value.detach(), msg=name)
    for name, each in objective.named_parameters():
        torch.testing.assert_close(each.grad, expected[name], msg=name)


@pytest.mark.parametrize("chunk", [3, 0])
def test_losses_told_are_those_of_the_whole_batch(chunk: int) -> None:
    """The parts of a chunked step are the joint batch's, and its vectors come in the order of the pairs."""
    objective = tiny_objective().train()
    batch = _batch(towers=objective.towers)
    whole = accumulate(objective, batch, {})

    parts = accumulate(objective, batch, {}, how=How(chunk))

    for name, value in whole.parts.items():
        torch.testing.assert_close(parts.parts[name], value, rtol=1e-5, atol=1e-5, msg=name)
    for name, value in whole.vectors.items():
        torch.testing.assert_close(parts.vectors[name], value, rtol=1e-5, atol=1e-5, msg=name)
        assert not parts.vectors[name].requires_grad


@pytest.mark.parametrize(("chunk", "expected"), [(0, 1), (8, 1), (4, 4), (3, 6)])
def test_only_chunks_are_encoded_twice(chunk: int, expected: int) -> None:
    """A batch that fits is encoded once; each chunk of one that does not, twice."""
    objective, calls = tiny_objective(), 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    objective.towers.visual.conv1.register_forward_hook(count)
    accumulate(objective, _batch(towers=objective.towers), {}, how=How(chunk))

    assert expected == calls


def test_what_was_dropped_is_dropped_again() -> None:
    """With dropout the second pass of a chunk sees the patches of the first: its vectors are the very same."""
    objective = tiny_objective(plain=True, drop=0.5).train()
    batch = _batch(plain=True, towers=objective.towers)
    seen: list[torch.Tensor] = []
    objective.towers.visual.register_forward_hook(lambda *arguments: seen.append(arguments[-1].detach().clone()))
    torch.manual_seed(1)

    accumulate(objective, batch, {}, how=How(4))

    assert 4 == len(seen)
    assert not torch.equal(seen[0], seen[1])
    for first, second in zip(seen[:2], seen[2:], strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_normalisation_remembers_a_chunk_once() -> None:
    """The first pass over chunks leaves batch normalisation's memory as it was: each chunk is counted once."""
    objective = tiny_objective(plain=True)
    norm = nn.BatchNorm2d(3)
    objective.towers.visual.conv1 = nn.Sequential(norm, objective.towers.visual.conv1)

    accumulate(objective.train(), _batch(plain=True, towers=objective.towers), {}, how=How(4))

    assert 2 == norm.num_batches_tracked.item()
    assert norm.track_running_stats
    assert [norm] == batch_norms(objective)


@pytest.mark.parametrize("per_caption", [1, 2])
def test_training_in_chunks_is_training(per_caption: int) -> None:
    """After six steps of the optimiser the weights of a run in chunks are those of a run without, within 1e-5."""
    whole = tiny_trainer(tiny_recipe(), per_caption=per_caption)
    chunked = tiny_trainer(tiny_recipe(chunk=3), per_caption=per_caption)
    start = weights(whole)

    for trainer in (whole, chunked):
        list(trainer.run())

    assert distance(weights(whole), start) > 1e-3
    assert distance(weights(whole), weights(chunked)) < 1e-5
