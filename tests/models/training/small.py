"""A recipe so small that a test can run it."""

from pathlib import Path

from models.training.recipe import Recipe, read_recipe

TEXT = """
name = "small"
seed = 5
dim = 16
threads = 1

[data]
train = 8
val = 4
test = 6
seed = 2

[image]
layers = [1, 1, 1, 1]
width = 4
size = 64

[text]
context_length = 64
vocabulary = 512
width = 16
heads = 2
layers = 1

[optim]
steps = 20
batch = 8
learning_rate = 5e-3
weight_decay = 0.1
warmup = 0.1
precision = "fp32"
"""

# a change of it: an image tower of fewer operators, which learns plain pictures in fewer steps
TRANSFORMER = (
    "layers = [1, 1, 1, 1]\nwidth = 4\nsize = 64",
    "patch = 16\nlayers = 2\nwidth = 16\nhead_width = 8\nsize = 64",
)


def small_recipe(folder: Path, *changes: tuple[str, str]) -> Recipe:
    """Eight scenes of 64 pixels and towers of a few thousand weights; each change replaces a piece of `TEXT`."""
    return read_recipe(recipe_file(folder, *changes))


def recipe_file(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write `TEXT`, changed, to a file in *folder*."""
    text = TEXT
    for old, new in changes:
        assert old in text, f"{old!r} is not in the small recipe"
        text = text.replace(old, new)
    path = folder / "recipe.toml"
    path.write_text(text)
    return path
