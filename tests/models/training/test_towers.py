"""The towers that a recipe describes."""

from pathlib import Path

import pytest
import torch

from models.training.parts import ImageTower, ResidualPart, ResNetPart, TimmPart, TransformerPart
from models.training.recipe import RecipeError
from models.training.towers import MEAN, STD, build_towers, preprocess_of, vision_config
from tests.models.training.small import small_recipe

RESNET = "[image]\nlayers = [1, 1, 1, 1]\nwidth = 4\nsize = 64"
TEXT = "[text]\ncontext_length = 64\nvocabulary = 512\nwidth = 16\nheads = 2\nlayers = 1"
PARTS: list[ImageTower] = [
    ResNetPart(layers=(1, 1, 1, 1), width=4, size=64),
    TransformerPart(patch=16, layers=2, width=32, head_width=16, size=64),
    TimmPart(timm="test_convnext2", size=64),
    ResidualPart(channels=(8, 16), stem=4, size=64),
]


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


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_sizes_are_the_recipes(tmp_path: Path, part: ImageTower) -> None:
    """Dimension, side and context are what the recipe says, whatever the kind of image tower."""
    towers = build_towers(small_recipe(tmp_path).model_copy(update={"image": part}), 300).eval()

    with torch.no_grad():
        assert (2, 16) == towers.encode_image(torch.zeros(2, 3, 64, 64)).shape
        assert (2, 16) == towers.encode_text(torch.ones(2, 64, dtype=torch.long)).shape


def test_a_residual_tower_has_the_recipes_stages(tmp_path: Path) -> None:
    """The stem and every stage halve the picture, with the channels that the recipe gives them."""
    towers = build_towers(small_recipe(tmp_path).model_copy(update={"image": PARTS[3]}), 300)

    found = [(stage["num_chs"], stage["reduction"]) for stage in towers.visual.trunk.feature_info]

    assert [(4, 2), (8, 4), (16, 8)] == found


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (PARTS[0], {"layers": (1, 1, 1, 1), "width": 4, "head_width": 32}),
        (PARTS[1], {"layers": 2, "width": 32, "head_width": 16, "patch_size": 16}),
        (PARTS[2], {"timm_model_name": "test_convnext2", "timm_model_pretrained": False}),
        (PARTS[3], {"timm_pool": "max", "timm_model_pretrained": False}),
    ],
    ids=lambda each: type(each).__name__,
)
def test_towers_are_told_to_open_clip_in_its_words(part: ImageTower, expected: dict[str, object]) -> None:
    """Each kind has its own configuration; nothing is fetched."""
    found = vision_config(part)

    assert 64 == found["image_size"]
    assert expected.items() <= found.items()


def test_towers_say_how_they_are_fed(tmp_path: Path) -> None:
    """Mean and deviation stand on the image tower, as on those that open_clip loads."""
    spec = preprocess_of(build_towers(small_recipe(tmp_path), 300), 64)

    assert (64, "shortest", MEAN, STD) == (spec.size, spec.resize, spec.mean, spec.std)


def test_a_named_model_is_not_built_from_sizes(tmp_path: Path) -> None:
    """A recipe with a model has no sizes: asking for towers by size is an error that says so."""
    recipe = small_recipe(
        tmp_path, ("dim = 16\n", ""), (RESNET, '[model]\nopen_clip = "ViT-B-32"\npretrained = "none"'), (TEXT, "")
    )  # fmt: skip

    with pytest.raises(RecipeError, match="names a model"):
        build_towers(recipe, 300)
