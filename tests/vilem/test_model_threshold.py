"""`vilem model threshold`: from a bundle's own recipe to the threshold in its manifest."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.bundle import Bundle
from models.manifest import MANIFEST_NAME, read_manifest
from models.proofreader import Proofreader
from models.training.recipe import RecipeError
from tests.models.training.small import small_recipe
from tests.models.training.test_materials import PROOFREADING
from vilem.cli.main import app


@pytest.fixture
def folder(proof_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that proofreads, which says that it was trained by a small recipe with scenes."""
    copy = Path(shutil.copytree(proof_bundle, tmp_path / "bundle"))
    _says(copy, {"recipe": small_recipe(tmp_path, PROOFREADING, ("size = 64", "size = 32")).model_dump(mode="json")})
    return copy


def _says(folder: Path, notes: dict[str, object]) -> None:
    """Give the manifest of the bundle in *folder* these notes."""
    fields = json.loads((folder / MANIFEST_NAME).read_text())
    fields["provenance"]["notes"] = notes
    (folder / MANIFEST_NAME).write_text(json.dumps(fields))


def run(folder: Path) -> Result:
    """The command on that bundle; scenes are kept beside it."""
    options = ["--work", str(folder.parent / "work")]
    return CliRunner().invoke(app, ["model", "threshold", str(folder), *options], env={"COLUMNS": "250"})


def test_the_threshold_is_written_and_the_digest_stays(folder: Path) -> None:
    """The manifest holds what was chosen, the same for the same bundle; digest, files and all the rest are what they were."""
    before = read_manifest(folder)

    results = [run(folder), run(folder)]

    assert [0, 0] == [each.exit_code for each in results], results[0].output
    after = Bundle.open(folder)
    assert before.digest() == after.digest
    found = Proofreader.open(after).threshold
    assert f"{found:.4f} (before: {found:.4f})" in results[1].output
    assert 0 < found <= 0.5
    assert before.with_threshold(found).to_bytes() == (folder / MANIFEST_NAME).read_bytes()


@pytest.mark.parametrize("notes", [{}, {"recipe": {"name": "x"}}, "plain"])
def test_a_bundle_without_its_recipe_is_told(folder: Path, tmp_path: Path, notes: dict[str, object] | str) -> None:
    """Where nobody knows what it was judged by nothing is written, and the message names the command that makes one."""
    _says(folder, {"recipe": small_recipe(tmp_path).model_dump(mode="json")} if isinstance(notes, str) else notes)
    before = (folder / MANIFEST_NAME).read_bytes()

    result = run(folder)

    assert isinstance(result.exception, RecipeError)
    assert "vilem train" in str(result.exception)
    assert before == (folder / MANIFEST_NAME).read_bytes()
