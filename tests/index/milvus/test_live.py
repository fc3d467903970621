"""What was pushed, less what changed since, and those changes: as a view of the collection sees it."""

from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.datasets import row_ids
from index.live.changes import changes
from index.milvus.connection import Connection
from index.milvus.live import LiveMilvus
from index.milvus.names import store_of
from index.milvus.part import MilvusPart
from index.milvus.store import create_store
from index.milvus.stored import Stored
from index.milvus.transfer import catch_up, fill
from index.vectors import unit
from tests.index.parts.exact import ExactPart
from tests.index.published import DIM, entries, filled, unit_vectors

VECTORS = unit_vectors(200)
QUERIES = unit_vectors(6, seed=4)


def pushed(lite: Connection, collection: Collection) -> LiveMilvus:
    """The items of the collection, in a store of their own."""
    stored = Stored(collection.items, DIM)
    store = create_store(lite, store_of("test", "images", "0" * 64, collection.version), DIM, "FLAT")
    fill(MilvusPart(lite, store), stored, 0, lambda place: None)
    return LiveMilvus.of(MilvusPart(lite, store, stored), stored)


def oracle(collection: Collection) -> ExactPart:
    """The items of the collection, compared one by one."""
    batches = list(collection.latest().item_vectors())
    rows = np.concatenate([each for each, _ in batches])
    return ExactPart(rows, unit(np.concatenate([each for _, each in batches])))


def assert_sees(part: LiveMilvus, collection: Collection, among: np.ndarray | None = None) -> None:
    """The part finds what is in the collection now."""
    expected = oracle(collection)
    assert expected.rows == part.rows
    there = row_ids(collection.latest().items.to_table(columns=[], with_row_id=True))
    some = np.arange(there.max() + 3)
    assert np.isin(some, there).tolist() == part.there(some).tolist()
    for k in (1, 10, 300):
        _, rows = part.search(QUERIES, k, among=among)
        found = [[row for row in each if row >= 0] for each in rows.tolist()]
        assert expected.search(QUERIES, k, among=among)[1].tolist() == found


def write(collection: Collection, step: int) -> None:
    """Some new items, some changed ones, some removed."""
    place = 40 + step * 20
    collection.add(entries(VECTORS[place : place + 5], first=100 + step * 5))
    collection.add(entries(VECTORS[place + 5 : place + 9], first=step * 2))
    collection.delete([f"item-{number:05d}" for number in range(20 + step * 3, 22 + step * 3)])
    if step:
        # what the step before has added
        collection.delete([f"item-{100 + step * 5 - 1:05d}"])


@pytest.mark.parametrize("rows", [0, 40])
def test_a_live_part_sees_what_was_written_since(lite: Connection, tmp_path: Path, rows: int) -> None:
    """After each of several rounds of writes, with and without a filter, it finds what a scan of the collection finds."""
    collection = filled(tmp_path, VECTORS[:rows])
    part = pushed(lite, collection)
    before = collection.latest()
    for step in range(3):
        write(collection, step)
        now = collection.latest()
        part = part.after(changes(before.items, now.items, DIM))
        before = now
        assert_sees(part, collection)
        assert_sees(part, collection, np.arange(0, 60, 2, dtype=np.int64))


def test_a_later_push_does_not_show_a_row_twice(lite: Connection, tmp_path: Path) -> None:
    """While another process brings the store up to date, a reader that knows of the writes finds each row once."""
    collection = filled(tmp_path, VECTORS[:40])
    part = pushed(lite, collection)
    old = collection.latest()
    write(collection, 0)
    now = collection.latest()
    after = part.after(changes(old.items, now.items, DIM))

    catch_up(MilvusPart(lite, part.part.store), Stored(now.items, DIM), old.items, lambda sent: None)

    assert_sees(after, collection)


def test_views_do_not_change(lite: Connection, tmp_path: Path) -> None:
    """A part that was followed by another still shows what it showed."""
    collection = filled(tmp_path, VECTORS[:40])
    part = pushed(lite, collection)
    old = collection.latest()
    expected = part.search(QUERIES, 10)[1].tolist()
    collection.delete(["item-00001"])

    after = part.after(changes(old.items, collection.latest().items, DIM))

    assert (40, 39, 1) == (part.rows, after.rows, after.dead)
    assert expected == part.search(QUERIES, 10)[1].tolist()
    assert DIM == after.dim
