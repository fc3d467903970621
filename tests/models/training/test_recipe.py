"""Recipes: typed, and clear about what is wrong."""

from pathlib import Path

import pytest

from models.training.recipe import RecipeError, read_recipe
from tests.models.training.small import TEXT, recipe_file, small_recipe

RECIPES = Path(__file__).parents[3] / "models" / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path: Path) -> None:
    """A recipe in the package reads, and is named as its file."""
    assert path.stem == read_recipe(path).name


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("steps = 20", "steps = 0", "optim.steps"),
        ("batch = 8", "batch = 1", "optim.batch"),
        ("warmup = 0.1", "warmup = 2.0", "optim.warmup"),
        ("learning_rate = 5e-3", "learning_rate = nan", "optim.learning_rate"),
        ("size = 64", "size = 100", "image.size"),
        ("layers = [1, 1, 1, 1]", "layers = [1, 1]", "image.layers"),
        ('precision = "fp32"', 'precision = "fp8"', "optim.precision"),
        ("dim = 16", "dim = 'big'", "dim"),
        ("vocabulary = 512", "vocabulary = 100", "text.vocabulary"),
        ("train = 8", "train = -1", "data.train"),
        ("[optim]", "[optim]\nmomentum = 0.9", "optim.momentum"),
        ("[optim]", "[optimizer]", "optimizer"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, old: str, new: str, field: str) -> None:
    """A field that is out of range, of the wrong type, unknown or missing is named in the error with its path."""
    with pytest.raises(RecipeError, match=rf": {field}\b"):
        small_recipe(tmp_path, (old, new))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[schedules.detection]\nfirst = 0.0", "detection belong to proofreading"),
        ("[schedules.late]\nfirst = 0.0", "late belong to late"),
        ("[schedules.tagging]\nfirst = 0.0", "tagging belong to tagging"),
        ("[proofreading]\nlocal = false\nwhole = false", "never sees the image"),
        ("[lora]\nrank = 2\nimage = false\ntext = false", "without both nothing is changed"),
        ("[proofreading]\n[schedules.preference]\nfirst = 0.0", "weight of preference in proofreading is 0"),
        (
            "[proofreading]\ndetection = 0\ncorrection = 0\n[schedules.correction]\n[schedules.detection]",
            "weight of correction, detection in proofreading is 0",
        ),
        ("[proofreading]\ndetection = 0\ncorrection = 0\nnegatives = false", "nothing is learnt of edits"),
        (
            "[proofreading]\ndetection = 0\ncorrection = 0\n[proofreading.alone]\nsteps = 1\nlearning_rate = 1\nblocks = 2",
            "alone: it learns detection and correction",
        ),
        ("[optim]\nimage_rate = 0\ntext_rate = 0", "both towers are locked"),
        ("[tagging]\n[optim]\nimage_rate = 0", "tagging: it teaches the image tower, which optim.image_rate = 0 locks"),
        ("[schedules.contrastive]\nfirst = 0.0\nlast = 0.0", "0 throughout, and there is no other loss"),
        ("[schedules.contrastive]\nlast = 0.0\nbegin = 1.0", "begin is 1, when the steps are over"),
    ],
)
def test_what_would_do_nothing_is_refused(tmp_path: Path, more: str, said: str) -> None:
    """A schedule of a loss that is not there, and a module without eyes, are errors and not surprises."""
    with pytest.raises(RecipeError, match=said):
        small_recipe(tmp_path, ("[optim]", more if "[optim]" in more else f"{more}\n[optim]"))


@pytest.mark.parametrize(
    ("more", "rest"),
    [
        ("[proofreading]", "image_rate = 0\ntext_rate = 0"),
        ("[proofreading]\ndetection = 0\ncorrection = 0", ""),
        ("[proofreading]\ndetection = 0\ncorrection = 0\nnegatives = false\npreference = 1", ""),
        ("[proofreading]\nlocal = false\nlevels = 2\nside = 3", ""),
        ("", "image_rate = 0"),
    ],
)
def test_what_still_learns_something_is_a_recipe(tmp_path: Path, more: str, rest: str) -> None:
    """One weight above 0, edited negatives or one tower that moves is enough; a branch may be left out with its fields there."""
    small_recipe(tmp_path, ("[optim]", f"{more}\n[optim]\n{rest}"))


def test_a_missing_file_and_broken_toml_are_one_sentence(tmp_path: Path) -> None:
    """What cannot be read is an error that names the file."""
    with pytest.raises(RecipeError, match=r"no recipe at .*absent\.toml"):
        read_recipe(tmp_path / "absent.toml")
    with pytest.raises(RecipeError, match=r"recipe\.toml is not TOML"):
        read_recipe(recipe_file(tmp_path, ('name = "small"', "name = ")))


def test_comments_and_order_are_no_part_of_a_recipe(tmp_path: Path) -> None:
    """Two files with the same fields are the same recipe, whatever their comments and the order of their tables."""
    head, *tables = TEXT.split("\n[")
    shuffled = "\n[".join([head, *reversed(tables)])
    other = tmp_path / "other.toml"
    other.write_text("# another comment\n" + shuffled)

    assert small_recipe(tmp_path) == read_recipe(other)


def test_a_recipe_does_not_change(tmp_path: Path) -> None:
    """A recipe is a value: no field of it can be set."""
    recipe = small_recipe(tmp_path)

    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 1
