"""`vilem edit-captions` on the command line."""

from pathlib import Path

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
