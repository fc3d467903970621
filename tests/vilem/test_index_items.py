"""`vilem index upsert` and `delete`: items of a published collection, seen without publishing."""

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from index import maintenance
from index.collection import Collection
from index.errors import CollectionMissing, SourceError
from index.searcher import Searcher
from index.versions import remove_old_versions
from models.scenes.corpus import write_jsonl
from tests.index.support import write_pictures
from tests.support.collections import link_bundle
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.main import app

WIDE = {"COLUMNS": "250", "TERM": "dumb"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a bundle and a published collection of six scenes."""
    make_tiny_bundle(tmp_path / "bundles" / "tiny")
    list(write_jsonl(tmp_path / "source", "test", 6, seed=0))
    done = run(tmp_path, "build", "scenes", str(tmp_path / "source" / "test.jsonl"), "--model", "tiny")
    assert 0 == done.exit_code, done.output
    return tmp_path


def run(home: Path, *arguments: str, given: str | None = None) -> Result:
    """One command."""
    return CliRunner().invoke(app, ["index", *arguments, "--home", str(home)], env=WIDE, input=given)


def ids(home: Path) -> set[str]:
    """What a search may find now."""
    searcher = Searcher.open(home / "collections", "scenes")
    return {record.id for record in searcher.first(100)}


def test_upserted_items_are_seen_without_publishing(home: Path) -> None:
    """New pictures are found beside the old; the snapshot stays the one that was published."""
    write_pictures(home / "more", range(3))
    before = Searcher.open(home / "collections", "scenes")

    result = run(home, "upsert", "scenes", str(home / "more"))

    after = Searcher.open(home / "collections", "scenes")
    assert 0 == result.exit_code, result.output
    assert "3 embedded, 0 updated, 0 unchanged, 0 rejected" in result.output
    assert before.manifest.id == after.manifest.id
    assert (9, 9) == (after.count, len(ids(home)))


def test_upserting_again_embeds_nothing(home: Path) -> None:
    """What is there is told as unchanged."""
    write_pictures(home / "more", range(3))
    run(home, "upsert", "scenes", str(home / "more"))

    assert "0 embedded, 0 updated, 3 unchanged" in run(home, "upsert", "scenes", str(home / "more")).output


def test_what_cannot_be_read_is_told(home: Path) -> None:
    """The others are written; the exit status tells, as of a build."""
    write_pictures(home / "more", range(2))
    (home / "more" / "broken.png").write_bytes(b"no picture")

    result = run(home, "upsert", "scenes", str(home / "more"))

    assert 3 == result.exit_code
    assert "2 embedded" in result.output
    assert "vilem index rejects scenes" in result.output


def test_a_collection_that_is_not_there_is_not_made(home: Path) -> None:
    """Upserting needs a collection: `build` makes one, with a model that is named."""
    result = run(home, "upsert", "nothing", str(home / "source"))

    assert isinstance(result.exception, CollectionMissing)
    assert not (home / "collections" / "nothing").exists()


def test_patches_are_made_where_they_are_kept(tmp_path: Path, proof_bundle: Path) -> None:
    """Items that come later can be proofread like those of the build."""
    link_bundle(tmp_path, proof_bundle)
    write_pictures(tmp_path / "first", range(2))
    write_pictures(tmp_path / "more", range(2, 4))
    run(tmp_path, "build", "scenes", str(tmp_path / "first"), "--model", proof_bundle.name)

    run(tmp_path, "upsert", "scenes", str(tmp_path / "more"))

    collection = Collection.open(tmp_path / "collections", "scenes")
    assert {"000.png", "001.png", "002.png", "003.png"} == collection.patches([f"{n:03d}.png" for n in range(4)]).keys()


@pytest.mark.parametrize("how", ["arguments", "file", "input"])
def test_deleted_items_are_gone(home: Path, how: str) -> None:
    """By arguments, by a file or by standard input; blank lines are no ids; those that are not there are counted."""
    gone = sorted(ids(home))[:2]
    lines = "\n".join([*gone, "", "never there"])
    (home / "gone.txt").write_text(lines)
    by = {"arguments": [*gone, "never there"], "file": ["--from", str(home / "gone.txt")], "input": ["--from", "-"]}

    result = run(home, "delete", "scenes", *by[how], given=lines)

    assert 0 == result.exit_code, result.output
    assert "removed 2 items; 1 were not there" in result.output
    assert not ids(home) & set(gone)
    assert 4 == len(ids(home))


def test_deleting_cleans_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is removed in many calls leaves no version behind that nobody reads any more."""
    # else it is kept for those that may have just begun to read
    monkeypatch.setattr(maintenance, "remove_old_versions", lambda latest: remove_old_versions(latest, timedelta(0)))
    for item_id in sorted(ids(home))[:3]:
        assert 0 == run(home, "delete", "scenes", item_id).exit_code

    # the newest, and what the snapshot is of
    assert len(Collection.open(home / "collections", "scenes").items.versions()) <= 2


def test_deleting_nothing_is_a_mistake(home: Path) -> None:
    """Without ids, or with a file that is none, it is told what to give; nothing is removed."""
    assert isinstance(run(home, "delete", "scenes").exception, SourceError)
    assert isinstance(run(home, "delete", "scenes", "--from", str(home / "missing.txt")).exception, SourceError)
    assert 6 == len(ids(home))
