"""`vilem scenes`: the corpus on the command line."""

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from vilem.cli.main import app


@pytest.mark.parametrize(("layout", "written"), [("jsonl", "val.jsonl"), ("webdataset", "val-00000.tar")])
def test_make_writes_a_corpus(layout: str, written: str, tmp_path: Path) -> None:
    """Both formats are written where they were asked for."""
    command = ["scenes", "make", str(tmp_path), "--count", "3", "--split", "val", "--format", layout]

    result = CliRunner().invoke(app, command)

    assert 0 == result.exit_code, result.output
    assert (tmp_path / written).stat().st_size > 0


def test_show_draws_a_sheet(tmp_path: Path) -> None:
    """The contact sheet holds the scenes side by side, and a caption is printed for each."""
    result = CliRunner().invoke(app, ["scenes", "show", str(tmp_path / "sheet.png"), "--count", "9"])

    assert 0 == result.exit_code, result.output
    assert (8 * 132, 2 * 132) == Image.open(tmp_path / "sheet.png").size
    assert 9 == len(result.output.splitlines())
