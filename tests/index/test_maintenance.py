"""Small files are merged beside readers and writers."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from index import maintenance
from index.collection import Collection
from index.fields.change import add_fields
from index.fields.indexes import INDEX_FROM_ROWS, index_fields
from index.fields.types import Field, fields_of
from index.filters.grammar import parse_filter
from index.filters.rows import matching_rows
from index.lease import lease
from index.maintenance import clean_up, tidy
from index.publish import current, publish
from index.searcher import Searcher
from index.snapshot import read_manifest
from index.vectors import unit
from index.versions import remove_old_versions
from tests.index.published import entries, filled, unit_vectors

VECTORS = unit_vectors(200)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Forty items of one commit, ten of one each, published before those."""
    made = filled(tmp_path, VECTORS[:40])
    publish(made)
    for number in range(40, 50):
        made.add(entries(VECTORS[number : number + 1], first=number))
    return made


def files(collection: Collection) -> int:
    """Of the items."""
    return len(collection.latest().items.get_fragments())


def child(collection: Collection) -> subprocess.CompletedProcess[str]:
    """What a service starts in the background."""
    command = [sys.executable, "-m", "index.maintenance", str(collection.home)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_small_files_become_one(collection: Collection) -> None:
    """With more than the limit they are merged, and the items are those that were there, under their row ids."""
    table = collection.latest().items.to_table(columns=["id"], with_row_id=True).sort_by("id")

    assert tidy(collection, 5)

    assert 1 == files(collection)
    assert table == collection.latest().items.to_table(columns=["id"], with_row_id=True).sort_by("id")


def test_a_row_is_rewritten_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was merged before waits for its like: the files stay few, and each merge is of small ones, whatever was written."""
    monkeypatch.setattr(maintenance, "_TIERS", (4, 16, 64))
    made, rewritten, most = filled(tmp_path, VECTORS[:64], captions=0), 0, 0
    for number in range(64, 128):
        made.add(entries(VECTORS[number : number + 1], captions=0, first=number))
        before = {each.fragment_id for each in made.latest().items.get_fragments()}
        if tidy(made, 4):
            after = [each for each in made.latest().items.get_fragments() if each.fragment_id not in before]
            rewritten += sum(each.physical_rows for each in after)
        most = max(most, files(made))

    assert 128 == made.latest().count()
    # all of what is not yet large, each time: 495
    assert 64 < rewritten <= 64 * 4
    assert most <= 8


@pytest.mark.parametrize("step", ["merge", "index"])
def test_what_is_written_meanwhile_is_followed(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Another process removes, changes and adds just before files are merged or an index is made: searches show all of it.

    Both move the handle that they are given: the one that a view holds must stay where the view is.
    """
    seen, others = Searcher.open(collection.path.parent, "test"), Collection.open(collection.path.parent, "test")

    def write() -> None:
        if others.get("item-00060") is None:
            others.add(entries(VECTORS[60:61], first=60))
        if step == "index":
            # files that lose rows are not merged
            others.delete(["item-00045"])
            others.add([replace(entries(VECTORS[4:5], first=4)[0], vector=VECTORS[104])])

    if step == "merge":
        plain = maintenance.Compaction.commit
        monkeypatch.setattr(maintenance.Compaction, "commit", lambda *given: (write(), plain(*given)))
        assert tidy(seen.view.collection, 5)
    else:
        latest = seen.view.collection.latest()
        write()
        latest.items.create_scalar_index("sha256", "BTREE")

    after = seen.advanced()

    found = {hit.id: hit.score for hit in after.search(unit(VECTORS[104:105]), [60], "images")[0]}
    assert others.latest().count() == after.count == len(found)
    assert "item-00060" in found
    if step == "index":
        assert "item-00045" not in found and 0.99 < found["item-00004"]
    else:
        assert 1 < files(others) < 11


def test_filters_stay_quick(tmp_path: Path) -> None:
    """Rows that were written since the fields were indexed are in the indexes, once they are many; filters find the same."""
    made = filled(tmp_path, VECTORS[:40], captions=0)
    add_fields(made, [Field("number", "int")])
    index_fields(made, from_rows=1)
    written = np.tile(VECTORS[:1], (INDEX_FROM_ROWS + 40, 1))
    for part in range(4):
        rows = entries(written[part::4], captions=0, first=10_000 * (part + 1))
        made.add(rows)
    assert INDEX_FROM_ROWS + 40 == unindexed(made)
    asked = parse_filter({"number": {"gte": 39, "lt": 10_001}}, fields_of(made.latest().items.schema))
    before = matching_rows(made.latest().items, asked)

    assert tidy(made, 3)

    assert 0 == unindexed(made)
    np.testing.assert_array_equal(before, matching_rows(made.latest().items, asked))
    assert 2 == len(before)


def unindexed(collection: Collection) -> int:
    """Rows that the index over numbers does not know."""
    return collection.latest().items.stats.index_stats("field:number_idx")["num_unindexed_rows"]


def test_a_few_files_are_left_alone(collection: Collection) -> None:
    """Up to the limit nothing is rewritten."""
    version = collection.latest().version

    assert not tidy(collection, 100)
    assert version == collection.latest().version


def test_searches_do_not_notice(tmp_path: Path, collection: Collection) -> None:
    """A searcher that was open before, one that follows, and one that is opened after find the same."""
    before = Searcher.open(tmp_path, "test")
    tidy(collection, 5)
    followed, after = before.advanced(), Searcher.open(tmp_path, "test")

    answers = [[hit.id for hit in each.search(VECTORS[45:46], [50], "images")[0]] for each in (before, followed, after)]

    assert answers[0] == answers[1] == answers[2]
    assert 50 == len(answers[0])


def test_writers_go_on(collection: Collection) -> None:
    """Items written, replaced and deleted while files are merged, over and over: none is lost, none is there twice."""
    stop = threading.Event()

    def merge() -> None:
        while not stop.is_set():
            tidy(Collection.open(collection.home.parent, "test"), 2)

    merging = threading.Thread(target=merge)
    merging.start()
    try:
        for number in range(50, 62):
            collection.add(entries(VECTORS[number : number + 1], first=number))
            collection.add(entries(VECTORS[100 + number : 101 + number], first=number - 50))
            collection.delete([f"item-{number - 20:05d}"])
    finally:
        stop.set()
        merging.join()

    ids = sorted(collection.latest().items.to_table(columns=["id"])["id"].to_pylist())
    expected = [number for number in range(62) if not 30 <= number < 42]
    stored = collection.latest().vectors(["item-00003"])["item-00003"]
    assert [f"item-{number:05d}" for number in expected] == ids
    np.testing.assert_allclose(VECTORS[153], stored, atol=1e-3)


def test_the_child_publishes(collection: Collection) -> None:
    """What was written becomes part of the snapshot."""
    assert 40 == read_manifest(current(collection.path)).images.rows

    done = child(collection)

    assert (0, "") == (done.returncode, done.stderr)
    assert 50 == read_manifest(current(collection.path)).images.rows


def test_the_child_gives_way_to_a_job(collection: Collection) -> None:
    """While a job holds the collection, it says who and ends: that job publishes at its own end."""
    with lease(collection.home, "embedding"):
        done = child(collection)

    assert 1 == done.returncode
    assert "is being written by" in done.stderr


def test_jobs_clean_up(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing merges small files and removes old versions: a collection that only jobs write to does not grow for ever."""
    monkeypatch.setattr(maintenance, "tidy", lambda now: tidy(now, 5))
    monkeypatch.setattr(maintenance, "remove_old_versions", lambda now: remove_old_versions(now, timedelta(0)))
    before = len(collection.latest().items.versions())

    publish(collection)

    assert 1 == files(collection)
    assert len(collection.latest().items.versions()) < min(before, 5)
    assert 50 == Searcher.open(collection.home.parent, "test").count


def test_what_cannot_be_cleaned_up_is_told(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The job has done what it was for: it does not fail."""

    def broken(_: Collection) -> None:
        raise OSError("no such luck")

    monkeypatch.setattr(maintenance, "remove_old_versions", broken)

    clean_up(collection)

    assert "old files of collection test are left to the next job: no such luck" in caplog.text
