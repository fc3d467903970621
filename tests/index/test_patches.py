"""index.patches: a column that came later."""

from dataclasses import replace
from pathlib import Path

import pytest

from index.collection import Collection
from index.patches import has_patches, ids_with_patches, keeps_patches, patches_at, patches_of, with_patches
from index.publish import publish
from index.rows import Entry
from index.searcher import Searcher
from tests.index.support import empty_collection, entry


def patched(number: int) -> Entry:
    """An item with patches that tell which it is."""
    return replace(entry(number), patches=f"patches {number}".encode())


def ids(*numbers: int) -> list[str]:
    """Of the items of those numbers."""
    return [f"item-{number:05d}" for number in numbers]


@pytest.fixture
def mixed(tmp_path: Path) -> Collection:
    """Items 0 and 1, written before there was the column; 2 with patches, 3 without, written since."""
    collection = empty_collection(tmp_path)
    collection.add([entry(0), entry(1)])
    collection.keep_patches()
    collection.add([patched(2), entry(3)])
    return collection.latest()


def test_a_collection_of_before_has_none(tmp_path: Path) -> None:
    """Without the column every question is answered, with nothing."""
    collection = empty_collection(tmp_path)
    collection.add([entry(0)])

    assert not keeps_patches(collection.items)
    assert not has_patches(collection.items)
    assert set() == ids_with_patches(collection.items, ids(0))
    assert {} == patches_of(collection.items, ids(0))
    assert {} == patches_at(collection.items, [0, 1])


def test_the_column_is_added_without_touching_rows(tmp_path: Path) -> None:
    """Row ids, vectors and captions stay when the column comes; its cells are null; a second time nothing happens."""
    collection = empty_collection(tmp_path)
    collection.add([entry(number) for number in range(5)])
    before = collection.items.to_table(with_row_id=True)

    collection.keep_patches()
    version = collection.version
    collection.keep_patches()

    after = collection.items.to_table(with_row_id=True)
    assert before == after.drop_columns(["patches"])
    assert 5 == after["patches"].null_count
    assert version == collection.version
    assert not has_patches(collection.items)


def test_an_empty_collection_takes_the_column(tmp_path: Path) -> None:
    """The first job of a collection adds it before there are rows."""
    collection = empty_collection(tmp_path)
    collection.keep_patches()
    collection.add([patched(1)])

    assert {ids(1)[0]: b"patches 1"} == collection.latest().patches(ids(1))


def test_patches_are_found_by_id_and_by_row(mixed: Collection) -> None:
    """Only rows that have patches are told, whichever way they are asked for; unknown ones are left out."""
    rows = mixed.items.to_table(columns=["id"], with_row_id=True)
    row_of = dict(zip(rows["id"].to_pylist(), rows["_rowid"].to_pylist(), strict=True))

    assert {ids(2)[0]: b"patches 2"} == patches_of(mixed.items, [*ids(0, 1, 2, 3), "nowhere"])
    assert set(ids(2)) == ids_with_patches(mixed.items, [*ids(0, 2, 3), "nowhere"])
    assert {row_of[ids(2)[0]]: b"patches 2"} == patches_at(mixed.items, [*row_of.values(), 10_000])
    assert {} == patches_at(mixed.items, [])
    assert has_patches(mixed.items)


def test_a_row_that_is_replaced_has_what_it_is_given(mixed: Collection) -> None:
    """New bytes of an image bring new patches or none; never those of the image before."""
    mixed.add([entry(2), patched(0)])

    assert {ids(0)[0]: b"patches 0"} == mixed.latest().patches(ids(0, 1, 2, 3))


def test_what_was_published_before_goes_on_being_served(tmp_path: Path) -> None:
    """A snapshot of the time before the column is searched on; what was written since has its patches at once."""
    collection = empty_collection(tmp_path)
    collection.add([entry(number) for number in range(1, 5)])
    publish(collection)
    collection = collection.latest()
    collection.keep_patches()
    collection.add([patched(1)])

    searcher = Searcher.open(tmp_path, "test")

    assert searcher.has_patches
    assert {ids(1)[0]: b"patches 1", ids(2)[0]: None} == searcher.patches([*ids(1, 2), "nowhere"])
    publish(collection.latest())
    assert {ids(1)[0]: b"patches 1", ids(2)[0]: None} == Searcher.open(tmp_path, "test").patches(ids(1, 2))


def test_the_dataset_with_the_column_is_the_newest(tmp_path: Path) -> None:
    """What `with_patches` returns can be written to at once."""
    collection = empty_collection(tmp_path)

    items = with_patches(collection.items)

    assert items.version == items.latest_version
    assert keeps_patches(items)
