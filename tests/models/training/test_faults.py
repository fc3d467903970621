"""What is wrong with a recipe, told to whoever wrote it."""

from pathlib import Path

import pytest

from models.training.recipe import RecipeError
from tests.models.training.small import small_recipe

SCENES = "train = 8\nval = 4\ntest = 6\nseed = 2"
EDITS = "[proofreading]\n\n[edits]\n"
ALONE = "[proofreading.alone]\nsteps = 1\nlearning_rate = 1\nblocks = 2\n\n[proofreading.alone.edits]\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("warmup = 0.1", "warm_up = 0.1", "optim.warm_up: unknown field, perhaps warmup: there are steps, batch, "),
        ("[optim]", "[negatives]\na = 1\n\n[optim]", "negatives: unknown part: there are data, augment, image, text, "),
        ("[optim]", "[proofread]\n\n[optim]", "proofread: unknown part, perhaps proofreading: there are data, "),
        ("seed = 5", "sed = 5", "sed: unknown field, perhaps seed: there are name, seed, dim, threads"),
        ("[optim]", "[optim]\n[optim.late]\na = 1", "optim.late: unknown field: there are steps, batch, "),
        (
            "[optim]",
            f"{EDITS}kinds = {{swop = 1}}\n\n[optim]",
            "edits.kinds.swop: unknown name, perhaps swap: there are swap, relation, count, attribute, object, in-batch",
        ),
        (
            "[optim]",
            "[schedules.detecton]\nfirst = 0\n\n[optim]",
            "schedules.detecton: unknown name, perhaps detection: there are contrastive, detection, ",
        ),
        (
            "[optim]",
            "[schedules.contrastive]\nfrist = 0\n\n[optim]",
            "schedules.contrastive.frist: unknown field, perhaps first: there are shape, first, last, begin, end",
        ),
        (
            SCENES,
            'source = "jsonl"\npath = "a"\ntrian = ["a"]',
            "data.trian: unknown field, perhaps train: there are path, images, train, ",
        ),
        ("width = 4", "widht = 4", "image.widht: unknown field, perhaps width: there are layers, width, size"),
        (
            "[optim]",
            f"{ALONE}maskd = 1\n\n[optim]",
            "proofreading.alone.edits.maskd: unknown field, perhaps masked: there are rules, ",
        ),
    ],
)
def test_an_unknown_name_is_told_first_and_beside_what_there_is(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Whatever is missing besides, the name that nothing has comes first, with the names that stand in its place."""
    with pytest.raises(RecipeError) as refused:
        small_recipe(tmp_path, (old, new))

    assert str(refused.value).startswith(f"{tmp_path / 'recipe.toml'}: {said}")


def test_all_faults_are_told(tmp_path: Path) -> None:
    """A misspelt field and the required one that it should have been stand in one sentence."""
    with pytest.raises(RecipeError, match=r"optim\.warm_up: unknown field.*; optim\.warmup: missing$"):
        small_recipe(tmp_path, ("warmup = 0.1", "warm_up = 0.1"))


def test_of_many_faults_five_are_told(tmp_path: Path) -> None:
    """The rest is a count."""
    required = "steps = 20\nbatch = 8\nlearning_rate = 5e-3\nweight_decay = 0.1\nwarmup = 0.1\n"

    with pytest.raises(RecipeError) as refused:
        small_recipe(tmp_path, (required, "a = 1\nb = 1\nc = 1\n"))

    told = str(refused.value).split("; ")
    assert 6 == len(told)
    assert "and 3 more" == told[-1]


@pytest.mark.parametrize(("old", "new"), [("seed = 5", 'seed = "x"'), ("[1, 1, 1, 1]", '[1, 1, 1, "x"]')])
def test_a_wrong_value_is_told_at_its_place(tmp_path: Path, old: str, new: str) -> None:
    """A value of another type is told once, by the names of the file alone."""
    with pytest.raises(RecipeError, match=r"recipe\.toml: (seed|image\.layers\.3): Input should be a valid integer"):
        small_recipe(tmp_path, (old, new))
