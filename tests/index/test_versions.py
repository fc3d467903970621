"""Versions are kept for as long as something needs them."""

import errno
import fcntl
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from index.collection import Collection
from index.errors import CollectionMissing
from index.generations import remove_abandoned_files, serve
from index.publish import publish
from index.searcher import Searcher
from index.uploads import keep
from index.versions import held, held_if_possible, keep_versions, release_versions, remove_old_versions
from models.sealed import STAGING_PREFIX
from tests.index.published import entries, filled, unit_vectors

VECTORS = unit_vectors(30)
NOW = timedelta(0)


def can_open(collection: Collection, version: int) -> bool:
    """Whether a version of the items is there."""
    try:
        return collection.at(version, collection.captions_version).count() >= 0
    except CollectionMissing:
        return False


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Ten items, and a commit after them."""
    made = filled(tmp_path, VECTORS[:10])
    made.add(entries(VECTORS[10:11], first=10))
    return made


def test_old_versions_go(collection: Collection) -> None:
    """What nothing keeps is removed with its files, and the newest version never."""
    first, last = 1, collection.latest().version
    collection.delete(["item-00001"])

    assert 0 < remove_old_versions(collection.latest(), NOW)
    assert not can_open(collection, first)
    assert not can_open(collection, last)
    assert 10 == collection.latest().count()


def test_young_versions_stay(collection: Collection) -> None:
    """A request that was just begun may still read what it saw."""
    version = collection.latest().version
    collection.delete(["item-00001"])

    remove_old_versions(collection.latest(), timedelta(hours=1))

    assert can_open(collection, version)


def test_a_published_version_stays(tmp_path: Path, collection: Collection) -> None:
    """What was written since a snapshot is found by comparing with its version, whatever was cleaned up since."""
    publish(collection)
    collection.add(entries(VECTORS[11:15], first=11))
    collection.delete(["item-00002"])
    remove_old_versions(collection.latest(), NOW)

    searcher = Searcher.open(tmp_path, "test")

    assert 14 == searcher.count
    assert ["item-00012"] == [hit.id for hit in searcher.search(VECTORS[12:13], [1], "images")[0]]


def test_versions_of_snapshots_that_are_gone_are_released(collection: Collection) -> None:
    """Tags do not outlive their snapshots; what a killed job held is released too."""
    latest = collection.latest()
    keep_versions(latest, "one")
    keep_versions(latest, "one")
    keep_versions(latest, "two")
    with held(latest):
        pass
    for dataset in (latest.items, latest.captions):
        dataset.tags.create(
            "reading-of-a-killed-job", latest.version if dataset is latest.items else latest.captions_version
        )

    release_versions(latest, {"two"})

    assert ["snapshot-two"] == list(latest.items.tags.list()) == list(latest.captions.tags.list())


def test_what_a_job_reads_is_held(collection: Collection) -> None:
    """For as long as it reads; afterwards it may go."""
    reading = collection.latest()
    with held(reading):
        collection.delete(["item-00001"])
        remove_old_versions(collection.latest(), NOW)
        assert 11 == reading.at(reading.version, reading.captions_version).count()

    remove_old_versions(collection.latest(), NOW)
    assert not can_open(collection, reading.version)


def test_what_is_read_without_the_lease_is_held_beside_publications(collection: Collection) -> None:
    """A publication lets go of what killed jobs held, and of nothing that somebody reads; afterwards nothing is left of it."""
    reading = collection.latest()
    with held(reading):
        collection.delete(["item-00001"])
        publish(collection)
        remove_old_versions(collection.latest(), NOW)
        assert 11 == reading.at(reading.version, reading.captions_version).count()

    assert [] == [tag for tag in collection.latest().items.tags.list() if tag.startswith("reading")]
    assert [] == list(collection.home.glob(".*reading*"))


def test_what_a_killed_reader_held_goes_without_a_publication(collection: Collection) -> None:
    """Its lock is free: whoever cleans up sees that, and lets go of its versions; another's stay."""
    reading = collection.latest()
    for dataset in reading.datasets:
        dataset.tags.create("reading-of-a-killed-job", dataset.version)
    # of a killed process it stays, and is not locked any more
    life = collection.home / f"{STAGING_PREFIX}reading-of-a-killed-job"
    life.touch()
    with held(reading):
        collection.delete(["item-00001"])
        remove_old_versions(collection.latest(), NOW)

        assert 1 == len(reading.items.tags.list()) and can_open(collection, reading.version)

    remove_old_versions(collection.latest(), NOW)
    assert not can_open(collection, reading.version)
    remove_abandoned_files(collection.home)
    assert not life.exists()


def test_who_is_let_go_of_all_the_same_ends_as_ever(collection: Collection) -> None:
    """An older ViLEM that publishes does not know who lives."""
    with held(collection.latest()):
        for dataset in collection.latest().datasets:
            for tag in dataset.tags.list():
                dataset.tags.delete(tag)

    assert [] == list(collection.home.glob(".*reading*"))


def test_a_life_that_was_taken_for_abandoned_begins_anew(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who removes what killed jobs left comes between the making of the file and its lock: what is read is held."""
    lock, taken = fcntl.flock, list[int]()

    def late(file: object, kind: int) -> None:
        if not taken:
            taken.append(kind)
            remove_abandoned_files(collection.home)
        lock(file, kind)  # pyright: ignore[reportArgumentType] - as it came

    reading = collection.latest()
    monkeypatch.setattr("index.versions.fcntl.flock", late)
    with held(reading):
        assert 1 == len(list(collection.home.glob(".*reading*")))
        collection.delete(["item-00001"])
        remove_old_versions(collection.latest(), NOW)
        assert can_open(collection, reading.version)


def test_where_nothing_can_be_written_nothing_is_held(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is read-only to the reader is read all the same."""
    monkeypatch.setattr("index.versions.os.access", lambda *_: False)

    with held(collection.latest()):
        assert {} == collection.latest().items.tags.list()


def test_what_was_the_newest_until_just_now_stays(collection: Collection) -> None:
    """However old it is: somebody may have begun to read it a moment ago. The one before it goes."""
    before, version = collection.latest().version - 1, collection.latest().version
    time.sleep(0.3)
    collection.delete(["item-00001"])

    remove_old_versions(collection.latest(), timedelta(seconds=0.2))

    assert can_open(collection, version)
    assert not can_open(collection, before)


def old_upload(collection: Collection, letter: str) -> str:
    """The address of a picture that was stored long ago."""
    address = keep(collection.home, letter.encode(), 64 * letter)
    os.utime(collection.home / "uploads" / (2 * letter) / (64 * letter), (0, 0))
    return address


def uploads_of(collection: Collection) -> str:
    """Letters of the uploads that are there."""
    return "".join(sorted(path.name[0] for path in (collection.home / "uploads").glob("*/*")))


def name(collection: Collection, uri: str) -> None:
    """Let an item, the same each time, have that picture."""
    [entry] = entries(VECTORS[20:21], first=20)
    collection.add([replace(entry, record=replace(entry.record, uri=uri))])


def test_uploads_of_versions_that_are_kept_stay(collection: Collection) -> None:
    """Of a version that a snapshot shows, that a job reads, or that was the newest until just now; no longer than these."""
    name(collection, old_upload(collection, "a"))
    keep_versions(collection.latest(), "one")
    name(collection, old_upload(collection, "b"))
    with held(collection.latest()):
        name(collection, old_upload(collection, "c"))
        time.sleep(0.3)
        name(collection, old_upload(collection, "d"))

        remove_old_versions(collection.latest(), timedelta(seconds=0.2))
        assert "abcd" == uploads_of(collection)

    remove_old_versions(collection.latest(), NOW)
    assert "ad" == uploads_of(collection)
    release_versions(collection.latest(), set())
    remove_old_versions(collection.latest(), NOW)
    assert "d" == uploads_of(collection)


def test_uploads_are_the_served_generations(collection: Collection) -> None:
    """Who still holds a generation that is served no more does not know what the next one names, and removes no upload."""
    old_upload(collection, "a")
    remaining = collection.create_generation("g1-00000000", dim=8, bundle_digest="b" * 64, bundle_name="b")
    serve(collection.home, remaining.generation)

    remove_old_versions(collection.latest(), NOW)

    assert "a" == uploads_of(collection)


def test_who_only_looks_goes_on_where_nothing_can_be_held(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or a folder of somebody else's, keeps nobody from reading; a job that must hold is told."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(collection.items.tags), "create", full)
    with pytest.raises(OSError, match="space"), held(collection):
        pass
    with held_if_possible(collection):
        assert 11 == collection.latest().count()


def test_uploads_that_no_item_names_go(collection: Collection) -> None:
    """An upload whose item was never committed, or is gone, is removed once it is old; one that an item names stays."""
    named = keep(collection.home, b"named", "a" * 64)
    keep(collection.home, b"left over", "b" * 64)
    keep(collection.home, b"about to be named", "c" * 64)
    [entry] = entries(VECTORS[20:21], first=20)
    object.__setattr__(entry.record, "uri", named)
    collection.add([entry])
    for name in ("a", "b"):
        os.utime(collection.home / "uploads" / (2 * name) / (64 * name), (0, 0))

    remove_old_versions(collection.latest(), timedelta(hours=1))

    left = {path.name[0] for path in (collection.home / "uploads").glob("*/*")}
    assert {"a", "c"} == left
