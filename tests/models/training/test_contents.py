"""What the files that a recipe names hold."""

import json
from pathlib import Path

from models.bundle import Bundle
from models.training.contents import contents
from models.training.parts import EditsPart, ModelPart, TeacherPart
from models.training.recipe import AlonePart, ProofreadingPart, Recipe
from tests.models.training.small import small_recipe


def _recipe(folder: Path, **parts: object) -> Recipe:
    return small_recipe(folder).model_copy(update=parts)


def test_a_recipe_without_files_names_none(tmp_path: Path) -> None:
    """Names and tags of open_clip's and of a hub's are no files, and neither is what is missing."""
    recipe = _recipe(
        tmp_path,
        model=ModelPart(open_clip="ViT-B-16", pretrained="openai"),
        teacher=TeacherPart(open_clip="ViT-B-16", pretrained=str(tmp_path / "missing.pt")),
        edits=EditsPart(masked=1, hugging_face="bert-base-uncased"),
    )

    assert {} == contents(_recipe(tmp_path)) == contents(recipe)


def test_a_bundle_is_its_digest(tmp_path: Path, tiny_bundle: Path) -> None:
    """What seals the teacher's files is what counts."""
    found = contents(_recipe(tmp_path, teacher=TeacherPart(bundle=tiny_bundle)))

    assert {"teacher.bundle": Bundle.open(tiny_bundle).digest} == found


def test_a_language_model_is_what_seals_it(tmp_path: Path) -> None:
    """Of a folder of `vilem train-mlm` its config.json, which holds the digests of the others; of another, every file."""
    (tmp_path / "config.json").write_text(json.dumps({"files": "one"}))
    parts = [EditsPart(masked=1, masked_lm=tmp_path), EditsPart(masked=1, hugging_face=str(tmp_path))]
    sealed, hub = (contents(_recipe(tmp_path, edits=part)) for part in parts)
    (tmp_path / "weights.bin").write_bytes(b"1")

    assert sealed == contents(_recipe(tmp_path, edits=parts[0]))
    assert hub != contents(_recipe(tmp_path, edits=parts[1]))
    (tmp_path / "config.json").write_text(json.dumps({"files": "other"}))
    assert sealed != contents(_recipe(tmp_path, edits=parts[0]))


def test_the_language_model_of_a_second_stage_counts_too(tmp_path: Path) -> None:
    """Its edits may be another model's than the first stage's."""
    (tmp_path / "config.json").write_text("{}")
    edits = EditsPart(masked=1, masked_lm=tmp_path)
    alone = ProofreadingPart(alone=AlonePart(steps=1, learning_rate=1, blocks=2, edits=edits))

    first = contents(_recipe(tmp_path, edits=edits))
    second = contents(_recipe(tmp_path, proofreading=alone))

    assert {"edits.masked_lm"} == first.keys()
    assert {"proofreading.alone.edits.masked_lm"} == second.keys()
    assert [*first.values()] == [*second.values()]


def test_models_of_open_clip_are_their_files(tmp_path: Path) -> None:
    """Configuration, weights and text files count, for the towers and for a teacher, and each of them by itself."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "tokenizer.json").write_text("1")
    for name in ("model.json", "weights.safetensors"):
        (tmp_path / name).write_text("1")
    given = {
        "open_clip": str(tmp_path / "model.json"),
        "pretrained": str(tmp_path / "weights.safetensors"),
        "text_files": tmp_path / "text",
    }
    recipe = _recipe(tmp_path, model=ModelPart(**given), teacher=TeacherPart(**given))
    before = contents(recipe)
    assert {f"{part}.{field}" for part in ("model", "teacher") for field in given} == set(before)

    for path, field in (("model.json", "open_clip"), ("weights.safetensors", "pretrained"), ("text/new", "text_files")):
        (tmp_path / path).write_text("2")
        after = contents(recipe)
        assert {f"model.{field}", f"teacher.{field}"} == {name for name in after if after[name] != before[name]}
        before = after
