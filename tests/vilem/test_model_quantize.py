"""`vilem model quantize`: from a bundle to one with int8."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.manifest import read_manifest
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.main import app

WIDE = {"COLUMNS": "250", "TERM": "dumb"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one bundle."""
    make_tiny_bundle(tmp_path / "bundles" / "tiny")
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    """One command."""
    return CliRunner().invoke(app, ["model", "quantize", *arguments, "--home", str(home)], env=WIDE)


def test_a_bundle_gets_int8(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new folder has both precisions, its own name, and the command tells how near they are."""
    monkeypatch.setattr("vilem.cli.model_quantize._PICTURES", 20)

    result = run(home, "tiny", "-o", str(home / "bundles" / "smaller"))

    assert 0 == result.exit_code, result.output
    made = read_manifest(home / "bundles" / "smaller")
    assert {"fp32", "int8"} == made.variants.keys()
    assert "smaller" == made.name
    assert made.digest() in result.output


def test_a_bundle_is_never_overwritten(home: Path) -> None:
    """An output that is there is a usage error."""
    result = run(home, "tiny", "-o", str(home / "bundles" / "tiny"))

    assert 2 == result.exit_code
    assert "never overwritten" in result.output


def test_folders_of_pictures_belong_to_a_data_set(home: Path) -> None:
    """--images without --data says nothing, and is refused."""
    result = run(home, "tiny", "-o", str(home / "new"), "--images", str(home))

    assert 2 == result.exit_code
    assert not (home / "new").exists()
