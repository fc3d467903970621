"""The towers that a recipe describes."""

from pathlib import Path

import torch

from models.training.towers import build_towers
from tests.models.training.small import small_recipe


def test_equal_seeds_give_equal_weights(tmp_path: Path) -> None:
    """The weights a run begins with are determined by the seed."""
    recipe = small_recipe(tmp_path)
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        made.append(build_towers(recipe, 300).state_dict())

    for name, value in made[0].items():
        torch.testing.assert_close(made[1][name], value, rtol=0, atol=0)
    assert not torch.equal(made[0]["visual.conv1.weight"], made[2]["visual.conv1.weight"])


def test_sizes_are_the_recipes(tmp_path: Path) -> None:
    """Dimension, side and context are what the recipe says."""
    towers = build_towers(small_recipe(tmp_path), 300).eval()

    with torch.no_grad():
        assert (2, 16) == towers.encode_image(torch.zeros(2, 3, 64, 64)).shape
        assert (2, 16) == towers.encode_text(torch.ones(2, 64, dtype=torch.long)).shape
