"""`vilem search`: hits as a table."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from index.collection import Collection
from index.embed import embed
from index.publish import publish
from index.sources import open_source
from models.bundle import Bundle
from models.scenes.corpus import write_jsonl
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.main import app

WIDE = {"COLUMNS": "300", "TERM": "dumb"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a published collection of twelve scenes."""
    folder = tmp_path_factory.mktemp("home")
    bundle = Bundle.open(make_tiny_bundle(folder / "bundles" / "tiny"))
    list(write_jsonl(folder / "source", "test", 12, seed=3))
    collection = Collection.create(
        folder / "collections", "scenes", dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name="tiny"
    )
    with embed(collection, open_source(str(folder / "source" / "test.jsonl")), bundle) as job:
        list(job)
    publish(collection)
    return folder


def run(home: Path, *arguments: str) -> str:
    """Output of a search that succeeds."""
    result = CliRunner().invoke(app, ["search", "scenes", *arguments, "--home", str(home)], env=WIDE)
    assert 0 == result.exit_code, result.output
    return result.output


def test_a_sentence_gives_rows(home: Path) -> None:
    """As many hits are shown as were asked for."""
    output = run(home, "a red circle", "--limit", "4")

    assert 4 == output.count("test-3-")


def test_a_picture_finds_itself(home: Path) -> None:
    """A stored picture as a query is its own first hit, with score 1."""
    picture = home / "source" / "test" / "test-3-000005.png"

    output = run(home, str(picture), "--image", "--limit", "1")

    assert "test-3-000005" in output
    assert "1.000" in output or "0.999" in output


def test_captions_can_be_the_target(home: Path) -> None:
    """With --texts the hits are captions."""
    output = run(home, "a red circle on a grey background", "--texts", "--limit", "2")

    assert 2 == output.count("test-3-")


def test_a_cut_query_is_told(home: Path) -> None:
    """A query beyond the model's context is answered, and the cut is reported."""
    assert "cut off" in run(home, "red " * 200)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["no-such", "x"], "no-such"), (["scenes", "missing.jpg", "--image"], "missing.jpg")],
)
def test_what_is_missing_is_named(home: Path, arguments: list[str], said: str) -> None:
    """An unknown collection or picture ends in an error that names it."""
    result = CliRunner().invoke(app, ["search", *arguments, "--home", str(home)], env=WIDE)

    assert result.exit_code != 0
    assert said in str(result.exception)
