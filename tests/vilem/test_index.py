"""`vilem index`: from files to a published collection, on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from index.errors import SourceError
from models.scenes.corpus import write_jsonl
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.index import EXIT_WITH_REJECTS
from vilem.cli.main import app

WIDE = {"COLUMNS": "250", "TERM": "dumb"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a bundle and a source of six scenes."""
    make_tiny_bundle(tmp_path / "bundles" / "tiny")
    list(write_jsonl(tmp_path / "source", "test", 6, seed=0))
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    """One command."""
    return CliRunner().invoke(app, ["index", *arguments, "--home", str(home)], env=WIDE)


def build(home: Path) -> Result:
    """Index the source."""
    return run(home, "build", "scenes", str(home / "source" / "test.jsonl"), "--model", "tiny")


def test_build_indexes_and_publishes(home: Path) -> None:
    """After a build the collection is listed, shown and whole."""
    result = build(home)

    assert 0 == result.exit_code, result.output
    assert "scenes" in run(home, "list").output
    assert "30 vectors, Flat" in run(home, "show", "scenes").output
    assert "is whole: 6 items" in run(home, "verify", "scenes").output


def test_a_second_build_skips_what_is_there(home: Path) -> None:
    """Nothing is embedded twice, and the summary says so."""
    build(home)

    output = " ".join(build(home).output.split())

    assert "│ unchanged │ 6 " in output
    assert "│ embedded │ 0 " in output


def test_rejects_have_their_own_status(home: Path) -> None:
    """One unreadable picture does not stop the others; it is listed with its reason."""
    next((home / "source" / "test").glob("*.png")).write_bytes(b"no picture")

    result = build(home)

    assert EXIT_WITH_REJECTS == result.exit_code
    assert "not-an-image" in run(home, "rejects", "scenes").output
    assert "is whole: 5 items" in run(home, "verify", "scenes").output


def test_an_empty_source_is_an_error(home: Path, tmp_path: Path) -> None:
    """A folder without pictures is most likely the wrong one: nothing is published, and the message asks."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(SourceError, match="is it the right place"):
        CliRunner().invoke(
            app,
            ["index", "build", "none", str(tmp_path / "empty"), "--model", "tiny", "--home", str(home)],
            catch_exceptions=False,
        )

    assert "never published" in run(home, "show", "none").output or run(home, "show", "none").exit_code


def test_publish_makes_a_new_snapshot(home: Path) -> None:
    """A collection can be published again from its rows."""
    build(home)

    assert "6 items" in run(home, "publish", "scenes").output


def test_what_is_missing_is_told(home: Path) -> None:
    """An unknown model, source or collection fails."""
    assert run(home, "build", "x", str(home / "source"), "--model", "nobody").exit_code != 0
    assert run(home, "build", "x", str(home / "nowhere"), "--model", "tiny").exit_code != 0
    assert run(home, "show", "nobody").exit_code != 0
