"""`vilem index`: from files to a published collection, on the command line."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner, Result

from index import publish as publishing
from index.build import build_parts
from index.collection import Collection
from index.errors import BundleMismatch, SelfCheckFailed, SourceError
from index.snapshot import IndexPart
from models.bundle import Bundle
from models.errors import BundleMissing, ProofreaderMissing
from models.proofreader import Proofreader
from models.scenes.corpus import write_jsonl
from tests.index.support import write_pictures, write_table
from tests.support.german_bundle import make_german
from tests.support.tiny_bundle import COLOURS, make_tiny_bundle
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


def test_patches_are_stored_and_told(home: Path, proof_bundle: Path) -> None:
    """With a proofreader in the bundle patches are stored unless refused, later by the same command; how many bytes is said."""
    arguments = ["build", "scenes", str(home / "source" / "test.jsonl"), "--model", str(proof_bundle)]
    # where the service will look for it
    (home / "bundles" / "colours").symlink_to(proof_bundle)

    without = " ".join(run(home, *arguments, "--no-patches").output.split())
    assert "no patches are stored" in run(home, "show", "scenes").output
    completed = " ".join(run(home, *arguments).output.split())

    size = Proofreader.open(Bundle.open(proof_bundle)).stored_bytes
    assert "│ patches │ 0 bytes" in without
    assert f"│ patches │ {6 * size:,} bytes" in completed
    assert "patches are stored" in run(home, "show", "scenes").output.replace("no patches", "none")
    refused = run(home, "build", "x", str(home / "source" / "test.jsonl"), "--model", "tiny", "--patches")
    assert isinstance(refused.exception, ProofreaderMissing)


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


def test_publish_takes_the_recall_that_its_error_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that finds too little is refused with a command to run, and that command publishes it."""
    build(home)

    def poor(pinned: Collection, folder: Path, **wanted: object) -> tuple[IndexPart, IndexPart | None]:
        images, texts = build_parts(pinned, folder, **wanted)
        return images.model_copy(update={"recall_at_10": 0.8765}), texts

    monkeypatch.setattr(publishing, "build_parts", poor)
    refused = run(home, "publish", "scenes")
    assert isinstance(refused.exception, SelfCheckFailed)
    command = str(refused.exception).split("`")[1].split()

    assert ["vilem", "index", "publish", "scenes", "--recall", "0.87"] == command
    assert "published" in run(home, *command[2:]).output


def test_what_is_missing_is_told(home: Path) -> None:
    """An unknown model, source or collection fails."""
    assert run(home, "build", "x", str(home / "source"), "--model", "nobody").exit_code != 0
    assert run(home, "build", "x", str(home / "nowhere"), "--model", "tiny").exit_code != 0
    assert run(home, "show", "nobody").exit_code != 0


def test_a_damaged_collection_does_not_hide_the_others(home: Path) -> None:
    """The list shows what is published, what never was, and what is wrong with the rest."""
    build(home)
    for name in ("damaged", "early"):
        (home / "collections" / name).mkdir()
    (home / "collections" / "damaged" / "collection.json").write_text("{")

    output = run(home, "list").output

    assert "scenes" in output
    assert "20" in output.split("scenes")[1]
    assert "damaged" in output


def test_a_source_that_is_all_rejects_is_not_published(home: Path) -> None:
    """When nothing could be indexed, an empty snapshot would look like success: the error says where the reasons are."""
    for picture in (home / "source" / "test").glob("*.png"):
        picture.write_bytes(b"no picture")

    with pytest.raises(SourceError, match="vilem index rejects scenes"):
        CliRunner().invoke(
            app,
            ["index", "build", "scenes", str(home / "source" / "test.jsonl"), "--model", "tiny", "--home", str(home)],
            catch_exceptions=False,
        )


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_build_keeps_what_is_done(tmp_path: Path, sent: signal.Signals) -> None:
    """Ctrl-C, and what a supervisor sends, commit what is embedded, say so, and leave the rest to the next run."""
    make_tiny_bundle(tmp_path / "bundles" / "tiny")
    names = write_pictures(tmp_path / "images", range(600))
    rows = [{"path": f"images/{name}", "captions": [f"{word} {name}" for word in COLOURS]} for name in names]
    source = write_table(tmp_path / "corpus.jsonl", rows)
    command = [sys.executable, "-m", "vilem", "index", "build", "test", str(source)]
    with subprocess.Popen(
        [*command, "--model", "tiny", "--home", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        while not (tmp_path / "collections" / "test" / "collection.json").exists():
            time.sleep(0.01)
        job.send_signal(sent)
        told, said = job.communicate(timeout=30)

    # a machine so fast that all was published before, Python even being taken down, is none of the law's business
    if "published" not in told:
        # Python ends itself by the signal where that came while a text was executed, a dataclass made say: a shell tells 130 too
        assert job.returncode in (130, -signal.SIGINT)
        assert "the same command goes on" in said
        stored = Collection.open(tmp_path / "collections", "test").count()
        assert f"{stored:,} items are safe" in said


def test_a_build_stopped_while_it_publishes_says_how_to_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop after the last picture, before all is served, loses nothing: the same command publishes."""

    def stopped(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "build_parts", stopped)
    result = build(home)
    assert 130 == result.exit_code, result.output
    assert "6 items are safe; the same command goes on" in result.output

    monkeypatch.undo()
    result = build(home)
    assert 0 == result.exit_code, result.output
    assert "6 items" in run(home, "show", "scenes").output


def test_another_text_tower_is_chosen(home: Path) -> None:
    """A bundle of the collection's space answers from then on, is shown, searches, and may add; the own one takes it back."""
    build(home)
    make_german(home / "bundles" / "tiny", home / "bundles" / "german")

    result = run(home, "text-model", "scenes", "--model", "german")

    assert 0 == result.exit_code, result.output
    assert "scenes is answered by german" in result.output
    assert "german" in run(home, "show", "scenes").output
    searched = CliRunner().invoke(app, ["search", "scenes", "rot", "--home", str(home)], env=WIDE)
    assert 0 == searched.exit_code, searched.output
    added = run(home, "build", "scenes", str(home / "source" / "test.jsonl"), "--model", "german")
    assert 0 == added.exit_code, added.output
    assert 0 == run(home, "text-model", "scenes", "--model", "tiny").exit_code
    assert "german" not in run(home, "show", "scenes").output


def test_a_text_tower_that_the_service_would_not_find_is_refused(home: Path, tmp_path: Path) -> None:
    """A bundle outside of home/bundles, or of another space, is refused before anything is written."""
    build(home)
    away = make_german(home / "bundles" / "tiny", tmp_path / "away" / "german")
    make_tiny_bundle(home / "bundles" / "stranger", seed=5)

    assert isinstance(run(home, "text-model", "scenes", "--model", str(away)).exception, BundleMissing)
    assert isinstance(run(home, "text-model", "scenes", "--model", "stranger").exception, BundleMismatch)
    assert "tiny" in run(home, "show", "scenes").output.split("answered by")[1].splitlines()[0]


def test_hits_are_not_reread_by_another_bundle(home: Path) -> None:
    """What is stored of pictures is for the own bundle's proofreader: the way back to it is told."""
    build(home)
    make_german(home / "bundles" / "tiny", home / "bundles" / "german")
    run(home, "text-model", "scenes", "--model", "german")

    command = ["search", "scenes", "rot", "--rerank", "proofread", "--home", str(home)]
    result = CliRunner().invoke(app, command, env=WIDE)

    assert isinstance(result.exception, BundleMismatch)
    assert "`vilem index text-model scenes --model tiny`" in str(result.exception)
