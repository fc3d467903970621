"""`vilem model`: bundles on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.errors import BundleAltered
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
    return CliRunner().invoke(app, ["model", *arguments, "--home", str(home)], env=WIDE)


def test_list_shows_own_and_built_in_bundles(home: Path) -> None:
    """Bundles of the home and those that ship are listed."""
    output = run(home, "list").output

    assert "tiny" in output
    assert "scenes-s" in output


def test_inspect_tells_what_the_manifest_says(home: Path) -> None:
    """Dimension, preprocessing and context are shown; so are the shipped model's measured figures."""
    assert "16" in run(home, "inspect", "tiny").output
    shipped = run(home, "inspect", "scenes-s").output
    assert "128 px, shortest, bicubic" in shipped
    assert "64 tokens, causal" in shipped


def test_verify_finds_a_flipped_byte(home: Path) -> None:
    """A whole bundle passes; with one byte changed it does not."""
    assert 0 == run(home, "verify", "tiny").exit_code
    path = next((home / "bundles" / "tiny").glob("*image*.onnx*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    assert isinstance(run(home, "verify", "tiny").exception, BundleAltered)


def test_export_never_overwrites(home: Path) -> None:
    """An output folder that is there is a usage error."""
    result = CliRunner().invoke(app, ["model", "export", "ViT-B-32", "-o", str(home)], env=WIDE)

    assert 2 == result.exit_code
