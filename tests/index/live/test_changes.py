"""What was written and deleted between two versions of a collection's items."""

from pathlib import Path

import lance
import numpy as np
import pytest

from index.collection import Collection
from index.live.changes import Changes, Made, changes, known, written
from tests.index.published import DIM, entries, filled, unit_vectors

VECTORS = unit_vectors(40)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Thirty items."""
    return filled(tmp_path, VECTORS[:30])


def since(old: Collection) -> Changes:
    """From then to now."""
    return changes(old.items, old.latest().items, DIM)


def rows_of(collection: Collection) -> dict[str, int]:
    """Row ids of all items, by id."""
    table = collection.latest().items.to_table(columns=["id"], with_row_id=True)
    return dict(zip(table["id"].to_pylist(), table["_rowid"].to_pylist(), strict=True))


def test_nothing_happened(collection: Collection) -> None:
    """Between a version and itself there are no changes, and the shapes are those of changes."""
    found = since(collection.latest())

    assert ((0,), (0,), (0, DIM)) == (found.gone.shape, found.rows.shape, found.vectors.shape)
    assert np.int64 == found.rows.dtype == found.gone.dtype


def test_new_items_are_written(collection: Collection) -> None:
    """Appended items come with their row ids and their vectors as they are stored."""
    old = collection.latest()
    collection.add(entries(VECTORS[30:33], first=30))

    found = since(old)

    rows = rows_of(collection)
    assert {rows[f"item-{number:05d}"] for number in (30, 31, 32)} == set(found.rows.tolist())
    assert 3 == written(old.items, collection.latest().items)
    np.testing.assert_allclose(VECTORS[30:33], found.vectors[np.argsort(found.rows)], atol=1e-3)
    assert not len(found.gone)


def test_a_replaced_item_keeps_its_row_and_is_written(collection: Collection) -> None:
    """Other values under a known id: the same row id, the new vector, and nothing gone."""
    before = rows_of(collection)
    old = collection.latest()
    collection.add(entries(VECTORS[35:36], first=7))

    found = since(old)

    assert [before["item-00007"]] == found.rows.tolist()
    np.testing.assert_allclose(VECTORS[35], found.vectors[0], atol=1e-3)
    assert not len(found.gone)


def test_deleted_items_are_gone(collection: Collection) -> None:
    """Row ids of deleted items, and none that was not there."""
    before = rows_of(collection)
    old = collection.latest()
    collection.delete(["item-00003", "item-00009", "no such item"])

    found = since(old)

    assert {before["item-00003"], before["item-00009"]} == set(found.gone.tolist())
    assert not len(found.rows)


def test_what_came_and_went_was_never_seen(collection: Collection) -> None:
    """An item that was written and deleted in between is neither written nor, for who held nothing of it, found."""
    old = collection.latest()
    collection.add(entries(VECTORS[30:31], first=30))
    collection.delete(["item-00030"])

    found = since(old)

    assert not len(found.rows)
    assert not set(found.gone.tolist()) & set(rows_of(collection).values())


def test_compaction_changes_nothing(collection: Collection) -> None:
    """Rows that only moved to other files are not written anew, and those that were deleted before are still told."""
    old = collection.latest()
    before = rows_of(collection)
    for number in (30, 31, 32):
        collection.add(entries(VECTORS[number : number + 1], first=number))
    collection.delete(["item-00001"])
    collection.latest().items.optimize.compact_files()

    found = since(old)

    now = rows_of(collection)
    assert {now[f"item-{number:05d}"] for number in (30, 31, 32)} == set(found.rows.tolist())
    assert [before["item-00001"]] == found.gone.tolist()


def made_in_turn(collection: Collection, steps: str) -> list[Made]:
    """What its writer tells of adding (a), deleting (d), merging (m), indexing (i) and of another's adding (o)."""
    told = list[Made]()
    for number, step in enumerate(steps):
        if step == "a":
            collection.add(entries(VECTORS[30 + number : 31 + number], first=30 + number))
        elif step == "d":
            collection.delete([f"item-{number:05d}"])
        elif step == "m":
            collection.latest().items.optimize.compact_files()
        elif step == "i":
            collection.latest().items.create_scalar_index("id", "BTREE")
        else:
            Collection.open(collection.path.parent, "test").add(entries(VECTORS[:1], first=30 + number))
        told += collection.made.items if step in "ad" else []
    return told


@pytest.mark.parametrize("steps", ["", "a", "ad", "am", "mad", "amia", "dim"])
def test_known_commits_lead_from_one_version_to_another(collection: Collection, steps: str) -> None:
    """Whatever was merged and indexed in between, they are what a reader finds between the two versions."""
    old = collection.latest()
    made = made_in_turn(collection, steps)
    expected = since(old)

    steps_known = known(made, old.items, collection.latest().items)

    assert steps_known is not None and steps.count("a") + steps.count("d") == len(steps_known)
    assert set(expected.rows.tolist()) == {row for each in steps_known for row in each.rows.tolist()}
    assert set(expected.gone.tolist()) == {row for each in steps_known for row in each.gone.tolist()}


@pytest.mark.parametrize("steps", ["o", "ao", "oa", "mo", "iiiiiii"])
def test_what_others_wrote_is_not_known(collection: Collection, steps: str) -> None:
    """Nor is a way that is too long to be looked at."""
    old = collection.latest()
    made = made_in_turn(collection, steps)

    assert known(made, old.items, collection.latest().items) is None


@pytest.mark.parametrize("fault", [TypeError, OSError, ValueError])
def test_a_commit_that_lance_cannot_tell_of_is_read(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    """Where a merge's record cannot be made into an object, or is gone, nothing is known of the way, and the rows tell it."""
    old = collection.latest()
    made = made_in_turn(collection, "am")

    def broken(*_: object) -> None:
        # Lance 14.0.2, of a merge that rewrote an index
        raise fault("LanceOperation.RewrittenIndex.__init__() missing 3 required positional arguments")

    monkeypatch.setattr(lance.LanceDataset, "read_transaction", broken)

    assert known(made, old.items, collection.latest().items) is None
    assert set(made[0].changes.rows.tolist()) == set(since(old).rows.tolist())


def test_what_led_elsewhere_is_left_out(collection: Collection) -> None:
    """Commits before the older version and after the newer one do not count."""
    first = collection.latest()
    made = made_in_turn(collection, "aa")
    second = first.at(first.version + 1, first.captions_version)

    found = [known(made, *pair) for pair in ((first.items, second.items), (second.items, collection.latest().items))]
    assert [[made[0].changes], [made[1].changes]] == found
    assert known([], second.items, collection.latest().items) is None
