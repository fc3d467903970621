"""Which weights are trained, and at which rate."""

import pytest
import torch
from torch import nn

from models.training.optimizer import Trainable, part_of
from models.training.recipe import LoraPart, RecipeError
from tests.models.training.tiny import tiny_objective, tiny_recipe, tiny_trainer


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("towers.visual.conv1.weight", "image"),
        ("towers.transformer.resblocks.0.ln_1.bias", "text"),
        ("towers.text.transformer.resblocks.0.ln_1.bias", "text"),
        ("towers.text_projection", "text"),
        ("towers.logit_scale", "scale"),
        ("towers.logit_bias", "scale"),
        ("module.words.weight", "module"),
        ("late.tokens.1.weight", "late"),
        ("tagging.read.weight", "tagging"),
    ],
)
def test_every_weight_belongs_to_a_part(name: str, part: str) -> None:
    """Its name says which: image tower, text tower, the scale and bias of the cosine, or what is trained beside them."""
    assert part == part_of(name)


def test_every_weight_is_trained_once() -> None:
    """Without anything frozen, the optimiser has every parameter, each in one group."""
    objective = tiny_objective()

    trained = Trainable(objective, tiny_recipe()).parameters()

    assert {id(each) for each in objective.parameters()} == {id(each) for each in trained}
    assert len(list(objective.parameters())) == len(trained)


def test_parts_have_rates_of_their_own() -> None:
    """The rate of a step is multiplied by the part's factor; the scale has none."""
    objective = tiny_objective()
    trainable = Trainable(objective, tiny_recipe(image_rate=0.1, text_rate=0.5))

    trainable.set_rate(2.0)

    rates = {id(each): group["lr"] for group in trainable.optimizer.param_groups for each in group["params"]}
    found = {part_of(name): rates[id(each)] for name, each in objective.named_parameters()}
    assert pytest.approx({"image": 0.2, "text": 1.0, "scale": 2.0, "module": 2.0}) == found


def test_rates_fall_with_the_depth() -> None:
    """With a decay of a half each layer that lies above a tower's weight halves its rate; the tower's own factor stays."""
    objective = tiny_objective()
    trainable = Trainable(objective, tiny_recipe(layer_decay=0.5, image_rate=0.1))

    rates = {id(each): group["factor"] for group in trainable.optimizer.param_groups for each in group["params"]}
    found = {name: rates[id(each)] for name, each in objective.named_parameters()}

    expected = {
        "towers.visual.proj": 0.1,
        "towers.visual.transformer.resblocks.1.attn.in_proj_weight": 0.05,
        "towers.visual.transformer.resblocks.0.ln_1.bias": 0.025,
        "towers.visual.conv1.weight": 0.0125,
        "towers.text_projection": 1.0,
        "towers.transformer.resblocks.0.ln_1.bias": 0.5,
        "towers.token_embedding.weight": 0.25,
        "towers.logit_scale": 1.0,
        "module.words.weight": 1.0,
    }
    assert pytest.approx(expected) == {name: found[name] for name in expected}
    assert len(found) == len(trainable.parameters())


def test_low_rank_changes_are_as_deep_as_what_they_change() -> None:
    """With LoRA and a decay the changes of a block have the block's rate."""
    objective = tiny_objective(plain=True)
    trainable = Trainable(objective, tiny_recipe(plain=True, layer_decay=0.5, lora=LoraPart(rank=2)))

    rates = {id(each): group["factor"] for group in trainable.optimizer.param_groups for each in group["params"]}
    found = {
        name: rates[id(each)]
        for name, each in objective.named_parameters()
        if "parametrizations" in name and id(each) in rates
    }

    assert {0.25, 0.5} == {rate for name, rate in found.items() if ".visual." in name}
    assert all(
        (rate == 0.5) == (".1." in name.split("resblocks")[1][:3]) for name, rate in found.items() if ".visual." in name
    )


def test_gains_and_biases_do_not_decay() -> None:
    """Weight decay is for matrices and filters alone."""
    objective = tiny_objective()

    groups = Trainable(objective, tiny_recipe(weight_decay=0.3)).optimizer.param_groups

    assert {(True, 0.3), (False, 0.0)} == {
        (each.ndim >= 2, group["weight_decay"]) for group in groups for each in group["params"]
    }


@pytest.mark.parametrize(("field", "part"), [("image_rate", "image"), ("text_rate", "text")])
def test_a_locked_tower_stays(field: str, part: str) -> None:
    """With a rate of 0 no weight of the tower moves, and all others do (LiT)."""
    trainer = tiny_trainer(tiny_recipe(**{field: 0.0}))
    before = {name: each.clone() for name, each in trainer.objective.named_parameters()}

    list(trainer.run())

    for name, each in trainer.objective.named_parameters():
        assert (part_of(name) == part) == torch.equal(before[name], each), name


def test_a_locked_towers_normalisation_stays() -> None:
    """Batch normalisation of a locked tower neither follows the batch nor remembers it; the rest is in training mode."""
    objective = tiny_objective(plain=True)
    objective.towers.visual.extra = nn.BatchNorm1d(1)

    Trainable(objective, tiny_recipe(plain=True, image_rate=0.0)).train()

    assert not objective.towers.visual.training
    assert not objective.towers.visual.extra.training
    assert objective.towers.transformer.training


def test_an_adapted_tower_trains_but_its_normalisation_does_not() -> None:
    """With low-rank changes dropout is as it was, and batch normalisation keeps its statistics."""
    objective = tiny_objective(plain=True)
    objective.towers.visual.extra = nn.BatchNorm1d(1)

    Trainable(objective, tiny_recipe(plain=True, lora=LoraPart(rank=2))).train()

    assert objective.towers.visual.training
    assert not objective.towers.visual.extra.training


def test_a_tower_is_not_locked_and_changed_at_once() -> None:
    """A recipe that asks for both is refused, naming the two fields."""
    with pytest.raises(RecipeError, match=r"optim\.image_rate = 0 .* lora\.image"):
        Trainable(tiny_objective(), tiny_recipe(image_rate=0.0, lora=LoraPart(rank=2)))
