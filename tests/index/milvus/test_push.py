"""Pushing a collection to a Milvus: once all, then what changed; killed, it goes on."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from index import publish as publishing
from index.collection import Collection
from index.errors import CollectionMissing, LeaseHeld, MilvusMismatch, SnapshotMissing
from index.lease import lease
from index.milvus import push as pushing
from index.milvus import stored as storing
from index.milvus.connection import Connection
from index.milvus.engine import ENGINE_FILE, JOURNAL_FILE, open_engine, read_record
from index.milvus.names import alias_of
from index.milvus.push import PushOptions, PushProgress, discard, go_back, push, take_back
from index.milvus.store import aliased, count_rows, create_store, drop_store, point_alias
from index.milvus.target import Target
from index.versions import remove_old_versions
from tests.index.milvus.support import opened
from tests.index.published import DIM, entries, filled, unit_vectors

VECTORS = unit_vectors(60)
ROOT = Path(__file__).resolve().parents[3]
ALIASES = alias_of("test", "images"), alias_of("test", "texts")


class Killed(BaseException):
    """As a signal would: nothing catches it."""


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Forty items, each with a caption."""
    return filled(tmp_path, VECTORS[:40])


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rows at a time, each noted."""
    monkeypatch.setattr(storing, "BATCH_ROWS", 10)
    monkeypatch.setattr(pushing, "_JOURNAL_ROWS", 10)


def stores(connection: Connection) -> set[str]:
    """All of the collection's that are there."""
    return {name for name in connection.call("list_collections") if name.startswith("vilem_test_")}


def tags(collection: Collection) -> list[int]:
    """Versions of the items that are kept for pushes."""
    named = collection.latest().items.tags.list()
    return sorted(int(named[tag]["version"]) for tag in named if tag.startswith("pushed-"))


def assert_served(collection: Collection) -> None:
    """The engine finds each item of the collection as it is now, by its image and its caption."""
    with open_engine(collection) or pytest.fail("nothing was opened") as engine:
        for part, batches in (
            (engine.images, collection.latest().item_vectors()),
            (engine.texts, collection.latest().caption_vectors()),
        ):
            found = [(part.search(vectors, 1)[1][:, 0].tolist(), rows.tolist()) for rows, vectors in batches]
            assert sum(len(rows) for _, rows in found) == part.rows
            assert all(nearest == rows for nearest, rows in found)


def test_a_push_is_served_and_named(collection: Collection, target: Target, lite: Connection) -> None:
    """All rows are there, the record says what and where, the aliases name it, nothing unfinished is left."""
    seen: list[PushProgress] = []

    record = push(collection, target, report=seen.append)

    assert_served(collection)
    pushed = record.pushed
    assert (target.uri, "0" * 64, DIM, True) == (record.uri, record.bundle_digest, record.dim, record.serving)
    assert (40, 40, collection.latest().version) == (pushed.items, pushed.captions, pushed.items_version)
    assert [pushed.images, pushed.texts] == [aliased(lite, alias) for alias in ALIASES]
    assert [PushProgress("images", 40, 40), PushProgress("texts", 40, 40)] == seen
    assert not (collection.path / JOURNAL_FILE).exists()


def test_a_second_push_sends_what_changed(collection: Collection, target: Target, lite: Connection) -> None:
    """New, rewritten and removed rows alone are sent, into the same stores; where nothing changed, nothing is."""
    first = push(collection, target)
    collection.delete(["item-00001", "item-00002"])
    collection.add(entries(-VECTORS[5:6], first=5))
    collection.add(entries(VECTORS[50:53], first=50))
    seen: list[PushProgress] = []

    second = push(collection, target, report=seen.append)
    third = push(collection, target, report=seen.append)

    # a caption that stays keeps its row, and its vector
    assert [PushProgress("images", 6, None), PushProgress("texts", 5, None)] == seen
    assert first.stores() == second.stores() == third.stores()
    assert (41, collection.latest().version) == (second.pushed.items, second.pushed.items_version)
    assert 41 == count_rows(lite, second.pushed.images)
    assert_served(collection)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("moment", [0, 3, 4, 7])
def test_a_push_that_was_killed_goes_on(collection: Collection, target: Target, lite: Connection, moment: int) -> None:
    """Killed after any batch it serves nothing; the next push sends the rest, and what was written meanwhile."""
    count = 0

    def kill(_: PushProgress) -> None:
        nonlocal count
        count += 1
        if count == moment + 1:
            raise Killed

    with pytest.raises(Killed):
        push(collection, target, report=kill)
    assert open_engine(collection) is None
    assert [None, None] == [aliased(lite, alias) for alias in ALIASES]
    begun = stores(lite)
    collection.delete(["item-00000", "item-00039"])
    collection.add(entries(VECTORS[50:51], first=50))
    seen: list[PushProgress] = []

    record = push(collection, target, report=seen.append)

    assert record.pushed.stores() == stores(lite)
    assert begun <= stores(lite)
    # the batch that was being sent at the kill comes again
    assert 8 - moment >= sum(each.of is not None for each in seen)
    assert_served(collection)


def test_a_push_whose_process_was_killed_goes_on(collection: Collection, tmp_path: Path) -> None:
    """After `kill -9` in the middle of its batches another process ends it: every row is there, once."""
    script = """
import os, signal, sys
from pathlib import Path
from index.collection import Collection
from index.milvus import push as pushing, stored
from index.milvus.target import target_of
stored.BATCH_ROWS = pushing._JOURNAL_ROWS = 10
seen = []
def kill(progress):
    seen.append(progress)
    if len(seen) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
pushing.push(Collection.open(Path(sys.argv[1]), "test"), target_of(sys.argv[2]), report=kill)
"""
    file = tmp_path / "killed.db"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert -signal.SIGKILL == done.returncode, done.stderr
    assert open_engine(collection) is None
    seen: list[PushProgress] = []

    with opened(file) as connection:
        push(collection, connection.target, report=seen.append)
        assert {40} == {count_rows(connection, name) for name in stores(connection)}

    assert_served(collection)
    assert not [each for each in seen if each.kind == "images" and each.of is not None]


def test_a_killed_later_push_is_made_again(
    collection: Collection, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between its changes and its record, the next one sends them again to the same end."""
    push(collection, target)
    collection.delete(["item-00001"])
    collection.add(entries(-VECTORS[5:6], first=5))

    def kill(_: PushProgress) -> None:
        raise Killed

    with pytest.raises(Killed):
        push(collection, target, report=kill)
    push(collection, target)

    assert_served(collection)


def test_pushing_anew_can_be_taken_back(collection: Collection, target: Target, lite: Connection) -> None:
    """New stores take the place of the old in one step; the old ones wait for the way back, older ones are removed."""
    first = push(collection, target)
    second = push(collection, target, options=PushOptions(anew=True))
    assert first.pushed == second.previous
    assert first.pushed.stores() | second.pushed.stores() == stores(lite)

    back = go_back(collection)
    assert (first.pushed, second.pushed) == (back.pushed, back.previous)
    assert first.pushed.images == aliased(lite, ALIASES[0])
    assert_served(collection)

    third = push(collection, target, options=PushOptions(anew=True))
    assert third.stores() == stores(lite)
    assert not second.pushed.stores() & stores(lite)
    assert_served(collection)


def test_without_an_earlier_push_there_is_no_way_back(collection: Collection, target: Target) -> None:
    """One push alone has nothing behind it."""
    push(collection, target)

    with pytest.raises(MilvusMismatch, match="no earlier push"):
        go_back(collection)


def test_another_index_needs_new_stores(collection: Collection, target: Target) -> None:
    """An index is chosen when a store is made: asking for another fills new ones, asking for the same does not."""
    first = push(collection, target, options=PushOptions(index="FLAT"))
    again = push(collection, target, options=PushOptions(index="FLAT"))
    other = push(collection, target, options=PushOptions(index="IVF_SQ8"))
    kept = push(collection, target)

    assert first.pushed.stores() == again.pushed.stores()
    assert not first.pushed.stores() & other.pushed.stores()
    assert ("IVF_SQ8", other.pushed.stores()) == (kept.pushed.index, kept.pushed.stores())
    assert_served(collection)


def test_what_is_gone_is_pushed_again(collection: Collection, target: Target, lite: Connection) -> None:
    """Stores that somebody removed are filled anew by the same command."""
    record = push(collection, target)
    drop_store(lite, record.pushed.images)

    push(collection, target)

    assert_served(collection)


def test_rows_that_were_lost_are_noticed(collection: Collection, target: Target, lite: Connection) -> None:
    """A store that has lost rows is not made up to date: the push fails, and pushing anew mends it."""
    record = push(collection, target)
    lite.call("delete", record.pushed.images, ids=[3])

    with pytest.raises(MilvusMismatch, match=r"39 rows, the collection 40; .*--anew"):
        push(collection, target)
    push(collection, target, options=PushOptions(anew=True))

    assert_served(collection)


def test_an_alias_of_somebody_else_is_left_alone(collection: Collection, target: Target, lite: Connection) -> None:
    """A collection of the same name in another installation is not robbed of its alias, unless that is asked for."""
    create_store(lite, "vilem_test_of_another", DIM, "FLAT")
    point_alias(lite, ALIASES[1], "vilem_test_of_another")

    with pytest.raises(MilvusMismatch, match=r"names vilem_test_of_another, .*--take-over"):
        push(collection, target)
    assert open_engine(collection) is None
    assert "vilem_test_of_another" == aliased(lite, ALIASES[1])

    record = push(collection, target, options=PushOptions(take_over=True))
    assert record.pushed.texts == aliased(lite, ALIASES[1])
    drop_store(lite, "vilem_test_of_another")


def test_faiss_may_answer_again(collection: Collection, target: Target) -> None:
    """Only where a snapshot is published; the stores wait, and the next push goes on from them."""
    record = push(collection, target)
    with pytest.raises(SnapshotMissing):
        take_back(collection)
    publishing.publish(collection.latest())

    take_back(collection)
    assert open_engine(collection) is None
    again = push(collection, target)

    assert record.pushed.stores() == again.pushed.stores()
    assert_served(collection)


def test_what_was_pushed_can_be_removed(collection: Collection, target: Target, lite: Connection) -> None:
    """Stores, aliases, the record and the versions that were kept are gone; other collections' stay."""
    create_store(lite, "vilem_other", DIM, "FLAT")
    push(collection, target)
    push(collection, target, options=PushOptions(anew=True))

    discard(collection)

    assert set() == stores(lite)
    assert [None, None] == [aliased(lite, alias) for alias in ALIASES]
    assert not (collection.path / ENGINE_FILE).exists()
    assert [] == tags(collection)
    assert lite.call("has_collection", "vilem_other")
    drop_store(lite, "vilem_other")


def test_versions_that_were_pushed_are_kept(collection: Collection, target: Target) -> None:
    """Old versions go, but the one that was pushed stays for readers and the next push, and goes once that is newer."""
    first = push(collection, target).pushed.items_version
    collection.add(entries(VECTORS[50:51], first=50))
    remove_old_versions(collection.latest(), timedelta(0))
    assert [first] == tags(collection)
    with open_engine(collection) or pytest.fail("nothing was opened") as engine:
        assert (40, [[7]]) == (engine.images.rows, engine.images.search(VECTORS[7:8], 1)[1].tolist())

    second = push(collection, target).pushed.items_version
    assert [second] == tags(collection)
    collection.add(entries(VECTORS[51:52], first=51))
    remove_old_versions(collection.latest(), timedelta(0))

    with pytest.raises(CollectionMissing):
        collection.at(first, collection.captions_version)


def test_two_pushes_of_a_collection_exclude_each_other(collection: Collection, target: Target) -> None:
    """The second is told who holds the lease; writing goes on meanwhile."""
    with lease(collection.home, "pushing to Milvus", file_name="push.lease"):
        collection.add(entries(VECTORS[50:51], first=50))
        with pytest.raises(LeaseHeld, match="pushing to Milvus"):
            push(collection, target)


@pytest.mark.usefixtures("small_batches")
def test_an_unfinished_push_elsewhere_is_not_forgotten(collection: Collection, target: Target, tmp_path: Path) -> None:
    """Half-filled stores on one server are told before another one is filled, and can be given up."""

    def kill(_: PushProgress) -> None:
        raise Killed

    with opened(tmp_path / "first.db") as first:
        with pytest.raises(Killed):
            push(collection, first.target, report=kill)
        with pytest.raises(MilvusMismatch, match=r"first\.db was begun and not finished: .*--anew"):
            push(collection, target)

    push(collection, target, options=PushOptions(anew=True))
    assert_served(collection)


def test_a_collection_that_was_restored_is_pushed_anew(collection: Collection, target: Target) -> None:
    """A copy from before the push has lower versions: its next rows bear ids that are taken, so all are sent again."""
    record = push(collection, target)
    stale = record.pushed.model_copy(update={"items_version": 10**6})
    pushing.write_record(collection.path, record.model_copy(update={"pushed": stale}))

    again = push(collection, target)

    assert not record.pushed.stores() & again.pushed.stores()
    assert_served(collection)


def test_a_generation_that_is_not_served_leaves_the_aliases(
    collection: Collection, target: Target, lite: Connection
) -> None:
    """The vectors of a new model are pushed beside the old ones, and named when they are served."""
    served = push(collection, target)
    beside = collection.create_generation("g1-11111111", dim=DIM, bundle_digest="1" * 64, bundle_name="new")
    beside.add(entries(-VECTORS[:5]))

    record = push(beside, target)

    assert [served.pushed.images, served.pushed.texts] == [aliased(lite, alias) for alias in ALIASES]
    assert not served.pushed.stores() & record.pushed.stores()
    assert_served(beside)
    pushing.point_aliases(lite, record)
    assert record.pushed.images == aliased(lite, ALIASES[0])
    assert served == read_record(collection.path)
