"""Low-rank changes of frozen towers."""

import pytest
import torch
from torch import nn

from models.training.lora import NothingToAdapt, adapt, merged
from models.training.recipe import LoraPart
from tests.models.training.tiny import SIZE, tiny_recipe, tiny_towers, tiny_trainer

PIXELS = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def _moved(towers: nn.Module) -> nn.Module:
    """Changes that are no longer zero."""
    with torch.no_grad():
        for name, each in towers.named_parameters():
            if name.endswith(".up"):
                each.normal_(std=0.1)
    return towers


def test_a_fresh_change_changes_nothing() -> None:
    """Adapted towers compute what they computed, to the bit."""
    towers = tiny_towers().eval()
    before = towers.encode_image(PIXELS)

    adapt(towers.visual, 2, 4.0)

    torch.testing.assert_close(before, towers.encode_image(PIXELS), rtol=0, atol=0)


def test_only_the_changes_are_trained() -> None:
    """What requires a gradient afterwards are two thin matrices for each of a block's four: attention in and out, MLP."""
    towers = tiny_towers()

    names = adapt(towers.visual, 2, 4.0)

    assert {"in_proj_weight", "weight"} == {name.rpartition(".")[2] for name in names}
    assert 2 * 4 == len(names)
    trained = {name: each for name, each in towers.visual.named_parameters() if each.requires_grad}
    assert 2 * len(names) == len(trained)
    assert all(2 in each.shape for each in trained.values())


def test_every_change_has_a_slope() -> None:
    """A loss reaches each of the changes, fused projections of the attention too."""
    towers = _moved(tiny_towers())
    adapt(towers.visual, 2, 4.0)

    _moved(towers).encode_image(PIXELS).square().sum().backward()

    for name, each in towers.visual.named_parameters():
        assert each.requires_grad == (each.grad is not None), name
        assert not each.requires_grad or each.grad.norm() > 0, name


def test_merged_weights_compute_the_same() -> None:
    """With the changes added in, the copy is an open_clip tower like any other, with the old names and the new outputs."""
    towers = tiny_towers().eval()
    names = list(towers.state_dict())
    adapt(towers.visual, 2, 4.0)
    expected = _moved(towers).encode_image(PIXELS)

    whole = merged(towers)

    assert set(names) == set(whole.state_dict())
    torch.testing.assert_close(expected, whole.encode_image(PIXELS))
    # the towers that it was made from are as they were
    assert set(names) != set(towers.state_dict())
    torch.testing.assert_close(expected, towers.encode_image(PIXELS))


def test_unchanged_towers_are_not_copied() -> None:
    """Without changes there is nothing to merge."""
    towers = tiny_towers()

    assert merged(towers) is towers


def test_a_tower_without_matrices_is_refused() -> None:
    """A tower of convolutions alone is an error that says what to do instead."""
    with pytest.raises(NothingToAdapt, match="train it or freeze it"):
        adapt(nn.Sequential(nn.Conv2d(3, 3, 1)), 2, 4.0)


def test_a_run_with_changes_leaves_the_weights() -> None:
    """Training moves the changes of both towers, the scale and the module; frozen weights stay, merged ones differ."""
    trainer = tiny_trainer(tiny_recipe(lora=LoraPart(rank=2)))
    before = {name: each.clone() for name, each in trainer.objective.named_parameters()}

    list(trainer.run())

    for name, each in trainer.objective.named_parameters():
        assert each.requires_grad != torch.equal(before[name], each), name
    still = before["towers.transformer.resblocks.0.mlp.c_fc.parametrizations.weight.original"]
    assert not torch.equal(still, merged(trainer.model).transformer.resblocks[0].mlp.c_fc.weight)
