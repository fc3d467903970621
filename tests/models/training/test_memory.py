"""What a run remembers beside its weights."""

import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from models.training.batch import Beside
from models.training.checkpoint import resume, save_checkpoint
from models.training.ema import Average
from models.training.memory import Memory
from models.training.ranks import ALONE
from models.training.recipe import ContrastivePart, RecipeError
from models.training.step import How
from tests.models.training.tiny import (
    CAPTIONS,
    distance,
    tiny_batches,
    tiny_objective,
    tiny_recipe,
    tiny_trainer,
    weights,
)

ALL = ContrastivePart(queue=12, soft=0.3, noise=1)
SCALE = torch.tensor(10.0)
COUNTS = [len(texts) for texts in CAPTIONS]


def test_a_plain_run_remembers_nothing() -> None:
    """Without a queue, soft targets or noise nothing stands beside the pairs, and nothing is kept."""
    memory = Memory(ContrastivePart(), COUNTS, None, ranks=ALONE, how=How())
    memory.meet(tiny_batches().batch(0))

    assert Beside() == memory.beside({}, SCALE)
    memory.after(epoch_ends=True)
    assert {} == memory.state() == memory.figures()


def test_what_was_seen_stands_beside_what_comes() -> None:
    """The first step has no keys; the second has the pairs of the first, but for its own pictures."""
    objective, batches = tiny_objective(), tiny_batches()
    memory = Memory(ALL, COUNTS, Average(objective, 0.9), ranks=ALONE, how=How(chunk=3))
    found: list[Beside] = []
    for step in range(2):
        batch = batches.batch(step).prepared(objective.towers)
        memory.meet(batch)
        found.append(memory.beside(objective.encode(batch).vectors, SCALE))
        memory.after(epoch_ends=True)

    first, second = found
    assert first.keys is None
    assert second.keys is not None and second.targets is not None and second.weights is not None
    rows, before = batches.rows(1)[0], batches.rows(0)[0]
    assert (rows[:, None] != before[None]).tolist() == second.keys.other.tolist()
    assert (8, 16) == second.targets.to_texts.shape
    torch.testing.assert_close(torch.ones(8), second.targets.to_texts.sum(dim=1))
    assert {"doubt"} == memory.figures().keys()


@pytest.mark.parametrize("part", [ALL, ContrastivePart(loss="sigmoid", noise=1)])
def test_chunks_change_nothing(part: ContrastivePart) -> None:
    """With whatever stands beside the pairs, a run in chunks has the weights of a run without, within 1e-5."""
    whole, chunked = (tiny_trainer(tiny_recipe(ema=0.9, contrastive=part, chunk=chunk)) for chunk in (0, 3))
    for trainer in (whole, chunked):
        list(trainer.run())

    assert distance(weights(whole), weights(chunked)) < 1e-5


def test_memory_counts() -> None:
    """A run with a queue and soft targets ends elsewhere than one without."""
    plain, other = (tiny_trainer(tiny_recipe(ema=0.9, contrastive=part)) for part in (None, ALL))
    for trainer in (plain, other):
        list(trainer.run())

    assert distance(weights(plain), weights(other)) > 1e-4


def test_a_resumed_run_remembers(tmp_path: Path) -> None:
    """Queue and ledger are in the checkpoint: a stopped run ends with the very weights of one that was not."""
    recipe = tiny_recipe(ema=0.9, contrastive=ALL)
    whole, stopped, resumed = (tiny_trainer(recipe) for _ in range(3))
    list(whole.run())
    list(stopped.run(until=3))
    save_checkpoint(tmp_path / "state.pt", stopped)
    assert resume(resumed, tmp_path / "state.pt")
    list(resumed.run())

    assert 0.0 == distance(weights(whole), weights(resumed))


def test_the_sigmoid_losss_scale_has_no_bound() -> None:
    """Towers that come with a scale above CLIP's 100, as SigLIP's do with 117, keep it, and nothing is said of a bound."""
    steps = 3
    trainer = tiny_trainer(tiny_recipe(plain=True, contrastive=ContrastivePart(loss="sigmoid"), steps=steps))
    with torch.no_grad():
        trainer.model.logit_scale.fill_(math.log(117.0))

    found = list(trainer.run())

    assert steps == len(found)
    assert all(step.scale > 110 for step in found)
    assert not [alarm for step in found for alarm in step.alarms if "scale" in alarm]


def test_the_sigmoid_loss_has_a_bias_that_is_learnt() -> None:
    """Towers without one get SigLIP's bias and scale to begin with, and both move."""
    trainer = tiny_trainer(tiny_recipe(plain=True, contrastive=ContrastivePart(loss="sigmoid")))
    assert (-10.0, pytest.approx(10.0)) == (trainer.model.logit_bias.item(), trainer.model.logit_scale.exp().item())

    losses = [step.loss for step in trainer.run()]

    assert losses[-1] < losses[0]
    assert -10.0 != trainer.model.logit_bias.item()


@pytest.mark.parametrize("part", [ContrastivePart(queue=4), ContrastivePart(soft=0.5)])
def test_slow_embeddings_need_an_average(part: ContrastivePart) -> None:
    """Without optim.ema there is nothing that moves slowly, and the recipe is refused."""
    with pytest.raises(RecipeError, match=r"set optim\.ema"):
        tiny_trainer(tiny_recipe(contrastive=part))


def test_the_sigmoid_loss_has_no_queue() -> None:
    """A recipe that asks for both is refused."""
    with pytest.raises(ValidationError, match="softmax"):
        ContrastivePart(loss="sigmoid", queue=4)
