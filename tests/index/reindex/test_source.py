"""Stored rows as a source of items."""

from pathlib import Path

import numpy as np

from index.reindex import source as module
from index.reindex.delta import all_rows
from index.reindex.source import ServedRows
from index.rows import Entry
from index.schema import Record
from index.sources import read_uri
from index.sources.item import SourceItem, Unusable
from index.uploads import keep
from tests.index.published import DIM, entries, filled, unit_vectors
from tests.index.support import picture


def test_rows_come_as_they_are_stored(tmp_path: Path) -> None:
    """Each row is one item with its captions, metadata and hash; no fault is the source's own."""
    collection = filled(tmp_path, unit_vectors(5), captions=2)

    items = list(source := ServedRows(collection, all_rows(collection)))

    for number, item in enumerate(items):
        stored = collection.get(f"item-{number:05d}")
        assert isinstance(item, SourceItem)
        assert stored is not None
        assert (stored.id, stored.uri, stored.captions, stored.metadata, stored.sha256) == (
            item.id,
            item.uri,
            item.captions,
            item.metadata,
            item.sha256,
        )
    assert (5, [], 5) == (source.count(), source.places, len(items))


def test_rows_are_read_when_they_are_needed(tmp_path: Path) -> None:
    """What was changed or removed since the rows were listed comes as it is now, or not at all."""
    collection = filled(tmp_path, unit_vectors(3 * 10))
    module_block, module._BLOCK = module._BLOCK, 10  # pyright: ignore[reportPrivateUsage]
    try:
        items = iter(ServedRows(collection, all_rows(collection)))
        first = next(items)
        collection.delete(["item-00015", "item-00029"])
        collection.add(entries(unit_vectors(1), captions=3, first=16))
        rest = list(items)
    finally:
        module._BLOCK = module_block  # pyright: ignore[reportPrivateUsage]

    found = {item.id: item for item in (first, *rest) if isinstance(item, SourceItem)}
    assert {f"item-{number:05d}" for number in range(30)} - {"item-00015", "item-00029"} == found.keys()
    assert 3 == len(found["item-00016"].captions)


def test_an_upload_is_found_in_the_folder_that_all_share(tmp_path: Path) -> None:
    """A picture that came with a request keeps its address, and is read from where uploads lie."""
    collection = filled(tmp_path, unit_vectors(1))
    data = picture(7)
    uri = keep(collection.home, data, "ab" * 32)
    record = Record("upload", uri, "ab" * 32, 1, 1)
    collection.add([Entry(record, unit_vectors(1)[0], np.zeros((0, DIM)))])

    item = list(ServedRows(collection, all_rows(collection)))[-1]

    assert isinstance(item, SourceItem)
    assert uri == item.uri
    assert item.file is not None
    assert data == read_uri(item.file)


def test_a_vector_alone_cannot_be_embedded(tmp_path: Path) -> None:
    """An item that came without a picture is a fault of its own, with the reason."""
    collection = filled(tmp_path, unit_vectors(1))
    collection.add([Entry(Record("bare", "", "", 0, 0), unit_vectors(1)[0], np.zeros((0, DIM)))])

    item = list(ServedRows(collection, all_rows(collection)))[-1]

    assert isinstance(item, Unusable)
    assert ("bare", "missing-file") == (item.id, item.reason)
