"""Late interaction beside the contrastive loss."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import TextSpec
from models.training.batch import Batch
from models.training.checkpoint import resume, save_checkpoint
from models.training.compute import plain
from models.training.late import Late, Widths
from models.training.losses import late_interaction
from models.training.objective import Objective, with_late
from models.training.recipe import LatePart
from tests.models.training.tiny import (
    SIZE,
    SPEC,
    TOKENIZER,
    distance,
    tiny_batches,
    tiny_objective,
    tiny_recipe,
    tiny_trainer,
    weights,
)

PART = LatePart(weight=0.5, width=8, side=2)
PADDED = TextSpec(context_length=6, causal=False, pad_id=1)


def _objective(*, proofreading: bool = False) -> Objective:
    return with_late(tiny_objective(plain=not proofreading), PART, SIZE, SPEC)


def _batch(objective: Objective) -> Batch:
    return tiny_batches(plain=True).batch(0).prepared(objective.towers)


@given(st.integers(0, 10), st.integers(0, 4))
def test_causal_texts_go_from_the_first_token_to_the_end_marker(length: int, after: int) -> None:
    """The first marker, which has seen nothing of the text, and padding are left out; an empty text has its end marker."""
    ids = torch.tensor([[1, *range(2, 2 + length), 99, *[0] * after]])
    late = Late(PART, Widths(4, 4), TextSpec(context_length=20, causal=True, eot_id=99))

    assert [False, *[True] * (length + 1), *[False] * after] == late.there(ids)[0].tolist()


def test_padded_texts_go_to_their_padding() -> None:
    """Towers that are not causal have their padding by its id; of an empty text the first token stands for all."""
    late = Late(PART, Widths(4, 4), PADDED)

    assert [[True, True, False], [True, False, False]] == late.there(torch.tensor([[7, 8, 1], [1, 1, 1]])).tolist()


def test_parts_are_unit_vectors_and_padding_is_nothing() -> None:
    """Patches are averaged to the side; every real token has norm 1, every other 0."""
    late = Late(PART, Widths(5, 3), PADDED)
    ids = torch.tensor([[7, 8, 1, 1], [9, 7, 8, 9]])

    found = late(torch.randn(2, 3, 4, 4), torch.randn(2, 4, 5), ids)

    assert (2, 4, 8) == tuple(found["patches"].shape) == tuple(found["tokens"].shape)
    torch.testing.assert_close(torch.ones(2, 4), found["patches"].norm(dim=-1))
    torch.testing.assert_close((ids != 1).float(), found["tokens"].norm(dim=-1))


def test_it_is_a_part_of_the_loss() -> None:
    """The total is the contrastive loss and the weighted loss of FILIP on the parts; without edits and without a module."""
    objective = _objective()
    batch = _batch(objective)

    parts = objective(batch)

    assert objective.late is not None
    vectors = objective.encode(batch).vectors
    scale, there = objective.late.log_scale.exp(), objective.late.there(batch.ids)
    expected = late_interaction(vectors["tokens"], vectors["patches"], there, scale)
    torch.testing.assert_close(expected, parts["late"])
    torch.testing.assert_close(parts["contrastive"] + 0.5 * parts["late"], parts["total"])


def test_it_teaches_both_towers() -> None:
    """The late loss alone moves the first weights of both towers, both projections and its own scale, not the embeddings' scale."""
    objective = _objective()

    objective(_batch(objective))["late"].backward()

    assert objective.late is not None
    for each in (
        objective.towers.visual.conv1.weight,
        objective.towers.token_embedding.weight,
        objective.late.tokens[1].weight,
        objective.late.patches[1].weight,
        objective.late.log_scale,
    ):
        assert each.grad is not None
        assert each.grad.norm() > 0
    assert objective.towers.logit_scale.grad is None


def test_the_towers_stay_what_they_are() -> None:
    """What is exported has neither more nor other weights than towers without it."""
    objective = _objective(proofreading=True)

    assert tiny_objective().towers.state_dict().keys() == plain(objective).towers.state_dict().keys()
    assert tiny_objective().levels == objective.levels


@pytest.mark.parametrize("proofreading", [True, False])
def test_chunks_change_nothing(proofreading: bool) -> None:
    """Compared is the joint batch, whatever the chunk: a run in chunks ends with the weights of a run without."""
    recipes = [tiny_recipe(plain=not proofreading, late=PART, chunk=chunk) for chunk in (0, 3)]
    whole, chunked = (tiny_trainer(recipe) for recipe in recipes)
    for trainer in (whole, chunked):
        list(trainer.run())

    assert distance(weights(whole), weights(chunked)) < 1e-5


def test_its_loss_falls_and_resumes(tmp_path: Path) -> None:
    """Forty steps at noise lower the loss; a run that was stopped on the way ends with the very same weights."""
    recipe = tiny_recipe(plain=True, late=PART, steps=40, learning_rate=3e-3, ema=0.9)
    whole, stopped, resumed = (tiny_trainer(recipe) for _ in range(3))
    losses = [step.parts["late"] for step in whole.run()]
    list(stopped.run(until=3))
    save_checkpoint(tmp_path / "state.pt", stopped)
    assert resume(resumed, tmp_path / "state.pt")
    list(resumed.run())

    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert 0.0 == distance(weights(whole), weights(resumed))


def test_its_rate_is_its_own() -> None:
    """The projections learn at their multiple of the towers' rate."""
    trainer = tiny_trainer(tiny_recipe(plain=True, late=PART.model_copy(update={"rate": 10.0})))
    rates = {
        id(each): group["factor"] for group in trainer._trainable.optimizer.param_groups for each in group["params"]
    }

    found = {name.split(".")[0]: rates[id(each)] for name, each in trainer.objective.named_parameters()}

    assert {"towers": 1.0, "late": 10.0} == found
    assert TOKENIZER.get_vocab_size() == len(trainer.model.token_embedding.weight)
