"""`vilem edit-captions` on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.negatives.masked_lm import save_masked_lm
from models.negatives.masked_training import MlmSettings, train_masked_lm
from models.scenes.corpus import example
from tests.models.training.small import recipe_file
from vilem.cli.main import app


def edit_captions(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["edit-captions", *map(str, arguments)], env={"COLUMNS": "250"})


def make_recipe(folder: Path) -> Path:
    """The small recipe with a masked language model after one step, and a cache of its edits."""
    texts = [text for number in range(8) for text in example("train", number, 2, 32).captions]
    training = train_masked_lm(texts, MlmSettings(steps=1, batch=8, width=16, layers=1, vocabulary=100))
    list(training.run())
    save_masked_lm(training.model(), folder / "mlm")
    edits = f'masked = 1\nmasked_lm = "{folder / "mlm"}"\nlikelihood = 100\ncache = "{folder / "edits"}"'
    return recipe_file(folder, ("[optim]", f"[proofreading]\nwidth = 16\n\n[edits]\n{edits}\n\n[optim]"))


def test_edits_are_made_once(tmp_path: Path) -> None:
    """The first time all captions are edited into shards; the second time nothing is written."""
    recipe = make_recipe(tmp_path)

    first = edit_captions(recipe, "--work", tmp_path / "work")
    shards = {path: path.stat().st_mtime_ns for path in (tmp_path / "edits").iterdir()}
    second = edit_captions(recipe, "--work", tmp_path / "work")

    assert 0 == first.exit_code == second.exit_code, first.output
    assert "1 shards" in first.output
    assert shards == {path: path.stat().st_mtime_ns for path in (tmp_path / "edits").iterdir()}
    assert 40 == sum(len(path.read_text().splitlines()) for path in shards)


def test_a_recipe_without_a_cache_is_refused(tmp_path: Path) -> None:
    """There is nowhere to keep edits: the message says what to add."""
    result = edit_captions(recipe_file(tmp_path), "--work", tmp_path / "work")

    assert 2 == result.exit_code
    assert "give its part edits a cache" in " ".join(result.output.replace("│", " ").split())


def test_a_second_stages_edits_are_made_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a model of the captions, which is trained and kept beside them; the second time nothing is made."""
    short = MlmSettings(steps=2, batch=8, width=16, layers=1, vocabulary=100)
    monkeypatch.setattr("models.training.language_model.MlmSettings", lambda: short)
    edits = f'masked = 1\nown_lm = true\nlikelihood = 100\ncache = "{tmp_path / "edits"}"'
    alone = f"[proofreading.alone]\nsteps = 1\nlearning_rate = 1e-3\nblocks = 2\n\n[proofreading.alone.edits]\n{edits}"
    recipe = recipe_file(tmp_path, ("[optim]", f"[proofreading]\nwidth = 16\n\n{alone}\n\n[optim]"))

    first = edit_captions(recipe, "--work", tmp_path / "work")
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "edits").iterdir()}
    second = edit_captions(recipe, "--work", tmp_path / "work")

    assert 0 == first.exit_code == second.exit_code, first.output
    assert "1 shards" in first.output
    assert {"masked-lm", "jsonl"} == {"masked-lm" if name.startswith("masked-lm-") else name[-5:] for name in kept}
    assert kept == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "edits").iterdir()}
