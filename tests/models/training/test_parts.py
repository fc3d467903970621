"""Parts of a recipe: alternatives are told apart by their fields, and contradictions are named."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from models.training.parts import (
    ClipsPart,
    DataPart,
    EditsPart,
    ImageTower,
    PicturesPart,
    ResidualPart,
    ResNetPart,
    ScenesPart,
    TimmPart,
    TransformerPart,
    VideosPart,
    whole,
)
from models.training.recipe import RecipeError
from tests.models.training.small import small_recipe

SCENES = {"train": 1, "val": 1, "test": 1}
DATA = "train = 8\nval = 4\ntest = 6\nseed = 2"
RESNET = "layers = [1, 1, 1, 1]\nwidth = 4\nsize = 64"
TEXT_AND_IMAGE = "patch = 16\nlayers = 2\nwidth = 64\nsize = 64"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (SCENES, ScenesPart),
        ({**SCENES, "source": "scenes"}, ScenesPart),
        ({"source": "webdataset", "path": "a"}, PicturesPart),
        ({"source": "karpathy", "path": "a"}, PicturesPart),
        ({**SCENES, "source": "clips"}, ClipsPart),
        ({"source": "msr-vtt", "path": "a"}, VideosPart),
    ],
)
def test_data_are_told_apart_by_their_source(fields: dict[str, Any], expected: type) -> None:
    """Without a source they are scenes, as recipes have always had them; a value reads back from what it writes."""
    adapter: TypeAdapter[Any] = TypeAdapter(DataPart)
    found = adapter.validate_python(fields)

    assert expected is type(found)
    assert found == adapter.validate_json(found.model_dump_json())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"layers": [1, 1, 1, 1], "width": 4, "size": 64}, ResNetPart),
        ({"patch": 16, "layers": 2, "width": 64, "size": 64}, TransformerPart),
        ({"timm": "convnext_atto", "size": 64}, TimmPart),
        ({"channels": [8, 16], "stem": 4, "size": 64}, ResidualPart),
    ],
)
def test_towers_are_told_apart_by_their_fields(fields: dict[str, Any], expected: type) -> None:
    """A patch makes a transformer, a name timm's, four stages a ResNet, channels a small residual network."""
    adapter: TypeAdapter[Any] = TypeAdapter(ImageTower)
    found = adapter.validate_python(fields)

    assert expected is type(found)
    assert found == adapter.validate_json(found.model_dump_json())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("seed = 2", 'seed = 2\nsource = "imagenet"')], r": data: source is none of scenes, clips"),
        ([("train = 8", 'source = "jsonl"\npath = "a"')], r"; data\.val: "),
        ([("seed = 2", 'source = "clips"\nframes = 17')], r": data\.frames: "),
        (
            [("seed = 2", 'source = "clips"'), ("[optim]", '[teacher]\nbundle = "scenes-s"\n\n[optim]')],
            r": teacher: it sees pictures, and data are clips",
        ),
        (
            [(RESNET, TEXT_AND_IMAGE.replace("size = 64", "size = 60"))],
            r": image: size, patch: 60 is no multiple of 16",
        ),
        (
            [(RESNET, "channels = [8, 16]\nstem = 4\nsize = 60")],
            r": image: size, channels: 60 cannot be halved 3 times",
        ),
        (
            [(RESNET, TEXT_AND_IMAGE.replace("width = 64", "width = 65"))],
            r": image: width, head_width: 65 is no multiple",
        ),
        ([("heads = 2", "heads = 3")], r": text: width, heads: 16 is no multiple of 3"),
        (
            [("[optim]", "[proofreading]\nwidth = 30\nheads = 4\n\n[optim]")],
            r": proofreading: width, heads: 30 is no multiple of 4",
        ),
        (
            [(DATA, 'source = "webdataset"\npath = "a"\nskip_missing = true')],
            r": data: images, skip_missing: shards hold their pictures",
        ),
        (
            [(DATA, 'source = "webdataset"\npath = "a"\nimages = ["b"]')],
            r": data: images, skip_missing: shards hold their pictures",
        ),
        ([("dim = 16\n", "")], r": dim: missing; give dim, image and text, or a model"),
        (
            [("[optim]", '[model]\nopen_clip = "ViT-B-16"\npretrained = "none"\n\n[optim]')],
            r": model: has towers and dimension already",
        ),
        (
            [("[optim]", '[model]\nopen_clip = "local-dir:towers"\n\n[optim]')],
            r': model: pretrained is missing: give a tag, a weights file .*, or "none"',
        ),
        ([("[optim]", "[augment]\ncrop = 0.5\n\n[optim]")], r": augment\.crop: "),
        ([("[optim]", "[edits]\nrules = 1\n\n[optim]")], r": edits: captions are edited for proofreading"),
    ],
)
def test_a_wrong_part_is_named(tmp_path: Path, changes: list[tuple[str, str]], said: str) -> None:
    """The field is named as the file has it, without the names of alternatives."""
    with pytest.raises(RecipeError, match=said):
        small_recipe(tmp_path, *changes)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rules": 0}, "one of the weights must be above 0"),
        ({"masked": 1}, "give its language model"),
        ({"masked": 1, "masked_lm": "a", "hugging_face": "b"}, "exactly one of"),
        ({"masked": 1, "masked_lm": "a", "own_lm": True}, "exactly one of"),
        ({"own_lm": True}, "leave them out"),
        ({"masked_lm": "a"}, "leave them out"),
        ({"cache": "a"}, "leave them out"),
        ({"kinds": {"swap": 0}}, "a weight is not positive"),
        ({"kinds": {"typos": 1}}, "kinds.typos"),
        ({"least": 0.5, "most": 0.4}, "a range goes from its lesser"),
        ({"temperature": [1.5, 1.0]}, "a range goes from its lesser"),
        ({"errors": 4}, "no caption is edited several times"),
        ({"rules": 0, "masked": 1, "masked_lm": "a", "again": 0.5}, "rules have weight 0"),
        ({"rules": 0, "masked": 1, "masked_lm": "a", "kinds": {"swap": 1}}, "rules have weight 0"),
        ({"top": 9, "cached": 2}, "top, cached: masked has weight 0"),
        ({"per_caption": 0}, "per_caption"),
        ({"masked": 1, "masked_lm": "a", "cached": 2}, "cached: no folder keeps edits"),
    ],
)
def test_edits_that_cannot_be_made_are_refused(fields: dict[str, Any], said: str) -> None:
    """A weight without its model, a model without its weight, and ranges that run backwards are named."""
    with pytest.raises(ValidationError, match=said):
        EditsPart.model_validate(fields)


def test_towers_are_ones_own_or_a_models() -> None:
    """One of both is whole; neither, or both, is not."""
    own = {"dim": 4, "image": 1, "text": 1}

    whole(own)
    whole({"model": 1})
    for fields, said in (
        ({**own, "model": 1}, "leave dim"),
        ({}, "dim: missing"),
        ({**own, "text": None}, "text: missing"),
    ):
        with pytest.raises(ValueError, match=said):
            whole(fields)


def test_what_a_part_says_has_one_order() -> None:
    """A digest of it does not depend on how fields are declared, and leaves out what it is told to."""
    said = ScenesPart(train=1, val=2, test=3, workers=4).said({"workers": True})

    assert '{"seed": 0, "source": "scenes", "test": 3, "train": 1, "val": 2}' == said
