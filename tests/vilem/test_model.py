"""`vilem model`: bundles on the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.errors import BundleAltered, ExportError
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
    assert "96 px, shortest, bicubic" in shipped
    assert "64 tokens, causal" in shipped
    assert "a word is wrong above" in shipped


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


def test_export_makes_a_bundle_that_lists_and_verifies(tmp_path: Path) -> None:
    """A configuration of one's own, random weights, one variant: the bundle opens and tells what was measured."""
    vision = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}
    text = {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    (tmp_path / "tiny-vit.json").write_text(json.dumps({"embed_dim": 8, "vision_cfg": vision, "text_cfg": text}))
    target = tmp_path / "bundles" / "mine"

    arguments = [str(tmp_path / "tiny-vit.json"), "--pretrained", "none", "--variant", "int8", "-o", str(target)]
    result = CliRunner().invoke(app, ["model", "export", *arguments], env=WIDE)

    assert 0 == result.exit_code, result.output
    assert "d=8, variants fp32, int8" in result.output
    shown = run(tmp_path, "inspect", "mine").output
    assert "variant int8" in shown
    assert "graphs to torch, image" in shown
    assert "none" in shown
    assert 0 == run(tmp_path, "verify", "mine").exit_code


def test_a_bundle_needs_a_name_it_can_have(tmp_path: Path) -> None:
    """The output folder names the bundle, so a name that no manifest takes is a usage error before any work."""
    result = CliRunner().invoke(app, ["model", "export", "ViT-B-32", "-o", str(tmp_path / "my model")], env=WIDE)

    assert 2 == result.exit_code
    assert "names the bundle" in result.output


def test_export_tells_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    """An export that cannot be made is an ExportError of one line, which the command prints."""
    result = CliRunner().invoke(app, ["model", "export", "ViT-B-33", "-o", str(tmp_path / "bundle")], env=WIDE)

    assert isinstance(result.exception, ExportError)
    assert 1 == len(str(result.exception).splitlines())
