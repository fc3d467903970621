"""Rows that are sent, and the look whether they arrived."""

from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.errors import MilvusMismatch
from index.milvus import stored as storing
from index.milvus.connection import Connection
from index.milvus.names import store_of
from index.milvus.part import MilvusPart
from index.milvus.store import create_store
from index.milvus.stored import Stored
from index.milvus.transfer import catch_up, check, fill
from tests.index.published import DIM, entries, filled, unit_vectors

VECTORS = unit_vectors(30)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Thirty items."""
    return filled(tmp_path, VECTORS)


@pytest.fixture
def part(lite: Connection) -> MilvusPart:
    """An empty store."""
    return MilvusPart(lite, create_store(lite, store_of("test", "images", "0" * 64, 1), DIM, "FLAT"))


def items(collection: Collection) -> Stored:
    """As they are now."""
    return Stored(collection.latest().items, DIM)


def test_a_store_is_filled_in_two_goes(
    lite: Connection, collection: Collection, part: MilvusPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch tells the place that comes next; from there another go ends what the first began."""
    monkeypatch.setattr(storing, "BATCH_ROWS", 8)
    places: list[int] = []

    class Killed(Exception):
        pass

    def first(place: int) -> None:
        places.append(place)
        if place == 16:
            raise Killed

    with pytest.raises(Killed):
        fill(part, items(collection), 0, first)
    fill(part, items(collection), 16, places.append)

    assert [8, 16, 24, 30] == places
    assert 30 == check(lite, part, items(collection))


def test_catching_up_twice_is_catching_up(lite: Connection, collection: Collection, part: MilvusPart) -> None:
    """What changed is written and what is gone removed, however often; where nothing changed nothing is sent."""
    old = items(collection)
    fill(part, old, 0, lambda place: None)
    collection.delete(["item-00001", "item-00002"])
    collection.add(entries(-VECTORS[:3], first=29))
    sent: list[int] = []

    for _ in range(2):
        catch_up(part, items(collection), old.dataset, sent.append)
    catch_up(part, items(collection), items(collection).dataset, sent.append)

    assert [5, 5] == sent
    assert 30 == check(lite, part, items(collection))


def test_a_row_that_is_lost_is_noticed(lite: Connection, collection: Collection, part: MilvusPart) -> None:
    """A store of too few rows does not pass."""
    fill(part, items(collection), 0, lambda place: None)
    part.delete(np.array([4], np.int64))

    with pytest.raises(MilvusMismatch, match=r"has 29 rows, the collection 30; .*--anew"):
        check(lite, part, items(collection))


@pytest.mark.parametrize(("wrong", "passes"), [(1, True), (2, True), (3, False)])
def test_rows_that_do_not_find_themselves_are_noticed(
    lite: Connection, collection: Collection, part: MilvusPart, wrong: int, passes: bool
) -> None:
    """An approximate index may miss two canaries of 64; more are lost, or have other vectors."""
    fill(part, items(collection), 0, lambda place: None)
    part.upsert(np.arange(wrong, dtype=np.int64), -VECTORS[:wrong])

    if passes:
        assert 30 == check(lite, part, items(collection))
    else:
        with pytest.raises(MilvusMismatch, match="3 of 30 rows do not find themselves"):
            check(lite, part, items(collection))


def test_equal_vectors_may_find_each_other(lite: Connection, tmp_path: Path, part: MilvusPart) -> None:
    """A canary that finds another row of the same vector is not lost."""
    collection = filled(tmp_path, np.repeat(VECTORS[:1], 10, axis=0))
    fill(part, items(collection), 0, lambda place: None)

    assert 10 == check(lite, part, items(collection))


def test_an_empty_collection_passes(lite: Connection, tmp_path: Path, part: MilvusPart) -> None:
    """No rows are all of them."""
    assert 0 == check(lite, part, items(filled(tmp_path, VECTORS[:0])))
