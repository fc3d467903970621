"""`vilem index audit`."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from index.audit import run as module
from index.audit.density import Density
from index.live.view import View
from index.neighbours import Tell
from index.searcher import Searcher
from tests.support.collections import make_colours
from vilem.cli.main import app


@pytest.fixture
def home(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A home with a collection of pictures in eight colours."""
    make_colours(tmp_path, tiny_bundle)
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    """One command."""
    return CliRunner().invoke(
        app, ["index", "audit", "colours", *arguments, "--home", str(home)], env={"COLUMNS": "200", "TERM": "dumb"}
    )


def test_figures_are_printed(home: Path) -> None:
    """Figures of captions, outliers and hubs, and the pairs that fit least, are in the answer."""
    result = run(home)

    assert 0 == result.exit_code, result.output
    output = " ".join(result.output.split())
    assert "24 items" in output
    assert "captions that several items have │ 16 of 16 (48 pairs)" in output
    assert "a photo of" in output
    assert "broken" not in output


def test_files_and_reports(home: Path, tmp_path: Path) -> None:
    """--files finds the picture that is gone; --json and --html write what was found."""
    (home / "pictures" / "red-0.png").unlink()
    json_file, html_file = tmp_path / "out" / "a.json", tmp_path / "out" / "a.html"

    result = run(home, "--files", "--limit", "3", "--json", str(json_file), "--html", str(html_file))

    assert 0 == result.exit_code, result.output
    written = json.loads(json_file.read_text())
    assert ["red-0"] == [each["id"] for each in written["files"]["examples"]]
    assert 3 == len(written["captions"]["suspects"])
    assert "Broken pictures" in html_file.read_text()


def test_stopped_it_writes_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends it with the usual status and no file."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "density_of", stop)

    result = run(home, "--json", str(tmp_path / "a.json"))

    assert 130 == result.exit_code
    assert not (tmp_path / "a.json").exists()


def test_what_it_reads_is_held(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean-up beside it leaves the versions that it sees, until it ends."""
    tags: list[str] = []
    density = module.density_of

    def seen(view: View, tell: Tell) -> Density:
        tags.extend(view.collection.items.tags.list())
        return density(view, tell)

    monkeypatch.setattr(module, "density_of", seen)

    assert 0 == run(home).exit_code
    assert ["reading"] == [tag.split("-")[0] for tag in tags if not tag.startswith("snapshot")]
    after = Searcher.open(home / "collections", "colours").view.collection.items.tags.list()
    assert [] == [tag for tag in after if not tag.startswith("snapshot")]
