"""Versions are kept for as long as something needs them."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from index.collection import Collection
from index.errors import CollectionMissing
from index.publish import publish
from index.searcher import Searcher
from index.uploads import keep
from index.versions import held, keep_versions, release_versions, remove_old_versions
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
