"""The vectors of Lance, as they are sent."""

from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.milvus import stored as storing
from index.milvus.stored import Batch, Stored
from tests.index.published import DIM, entries, filled, unit_vectors

VECTORS = unit_vectors(30)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Thirty items."""
    return filled(tmp_path, VECTORS)


def items(collection: Collection) -> Stored:
    """Of the collection as it is now."""
    return Stored(collection.latest().items, DIM)


def joined(batches: list[Batch]) -> tuple[list[int], np.ndarray]:
    """All rows of the batches, and their vectors."""
    rows = [row for each, _ in batches for row in each.tolist()]
    return rows, np.concatenate([vectors for _, vectors in batches]) if batches else np.zeros((0, DIM))


@pytest.mark.parametrize("start", [0, 1, 17, 29, 30])
def test_rows_come_from_any_place_on(collection: Collection, monkeypatch: pytest.MonkeyPatch, start: int) -> None:
    """Read from a place on, the rows are those that come after it, in the same order, of unit norm."""
    monkeypatch.setattr(storing, "BATCH_ROWS", 7)
    every, vectors = joined(list(items(collection).batches()))

    rows, rest = joined(list(items(collection).batches(start)))

    assert (30, every[start:]) == (len(every), rows)
    np.testing.assert_array_equal(vectors[start:], rest)
    np.testing.assert_allclose(1, np.linalg.norm(vectors, axis=1), atol=1e-6)


def test_what_changed_since_is_known(collection: Collection) -> None:
    """New and rewritten rows since a version, with their new vectors, and those that are gone; compaction is no change."""
    old = items(collection)
    rows = dict(zip([each.record.id for each in entries(VECTORS)], joined(list(old.batches()))[0], strict=True))
    collection.delete(["item-00003", "item-00004"])
    collection.add(entries(-VECTORS[7:8], first=7))
    collection.add(entries(VECTORS[:1], first=100))
    collection.items.optimize.compact_files()
    new = items(collection)

    written, vectors = joined(list(new.written_since(old.dataset)))

    assert [rows["item-00003"], rows["item-00004"]] == sorted(new.gone_since(old.dataset).tolist())
    assert {rows["item-00007"], 30} == set(written)
    np.testing.assert_allclose(-VECTORS[7], vectors[written.index(rows["item-00007"])], atol=2e-3)
    assert ([], 0) == (list(new.written_since(new.dataset)), len(new.gone_since(new.dataset)))


def test_rows_are_looked_up_by_their_ids(collection: Collection) -> None:
    """Those that are there, with their vectors; others are left out."""
    rows, vectors = items(collection).vectors(np.array([5, 2, 77], np.int64))

    assert [2, 5] == sorted(rows.tolist())
    np.testing.assert_allclose(VECTORS[rows], vectors, atol=2e-3)
    assert [2, 5] == items(collection).known(np.array([77, 5, 2], np.int64)).tolist()
    assert (0, 0) == (len(items(collection).vectors(rows[:0])[0]), len(items(collection).known(rows[:0])))


@pytest.mark.parametrize(("size", "expected"), [(4, [0, 9, 19, 29]), (30, list(range(30))), (500, list(range(30)))])
def test_a_sample_is_spread_over_all(collection: Collection, size: int, expected: list[int]) -> None:
    """As many rows as are asked for, from the first to the last, each with its own vector."""
    rows, vectors = items(collection).spread(size)

    assert expected == rows.tolist()
    np.testing.assert_allclose(VECTORS[expected], vectors, atol=2e-3)


def test_an_empty_dataset_has_nothing_to_send(tmp_path: Path) -> None:
    """No rows, no batches, no sample."""
    stored = items(filled(tmp_path, VECTORS[:0]))

    assert ([], 0, 0) == (list(stored.batches()), stored.count(), len(stored.spread(5)[0]))
