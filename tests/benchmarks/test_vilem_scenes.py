"""The arms of the comparison are recipes, and change what their names say."""

from pathlib import Path

import pytest

from benchmarks.arms import to_toml
from benchmarks.vilem_scenes import ARMS, EQUAL_TIME, PLAIN, Plan, recipe_of
from models.training.recipe import Recipe, read_recipe


def read(arm: str, folder: Path, seed: int = 0) -> Recipe:
    """An arm's recipe, as `vilem train` reads it."""
    path = folder / "recipe.toml"
    path.write_text(to_toml(recipe_of(arm, seed, Plan(folder, None, 2.0, 100))), encoding="utf-8")
    return read_recipe(path)


@pytest.mark.parametrize("arm", list(ARMS))
def test_every_arm_is_a_recipe(arm: str, tmp_path: Path) -> None:
    """No arm asks for what a recipe refuses as idle, and each trains under the seed it is given."""
    assert 3 == read(arm, tmp_path, seed=3).seed


def test_no_two_arms_are_one(tmp_path: Path) -> None:
    """Every arm differs from every other: a second name for a recipe would be hours for nothing."""
    found = [read(arm, tmp_path) for arm in ARMS]

    assert all(one != other for place, one in enumerate(found) for other in found[:place])


def test_equal_time_is_more_of_the_plain_steps(tmp_path: Path) -> None:
    """The arm of equal wall time is the plain one, with as many more steps as one of ViLEM costs."""
    plain, equal = read(PLAIN, tmp_path), read(EQUAL_TIME, tmp_path)

    assert 2 * plain.optim.steps == equal.optim.steps
    assert plain == equal.model_copy(update={"optim": plain.optim})
