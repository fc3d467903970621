"""A few items put and removed at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.errors import BundleMismatch
from index.live.writes import Change, Put, Remove, apply
from index.schema import Record
from tests.index.support import DIM, empty_collection, live_captions

OURS = "0" * 64


def put(number: int, item: int = 0, *, keeps: bool = False, bundle: str = OURS) -> Put:
    """Item *item* as its *number*-th version; its vector and caption tell which."""
    record = Record(f"item-{item}", f"file:///{number}", f"{number}", 3, 4, (f"text {number}",), {"number": number})
    vector = np.full(DIM, number / 64, np.float32)
    return Put(record, None if keeps else vector, vector[None], bundle)


changes = st.lists(
    st.builds(put, st.integers(1, 50), st.integers(0, 2), keeps=st.booleans())
    | st.builds(Remove, st.sampled_from(["item-0", "item-1", "item-2"])),
    max_size=6,
)


def one_by_one(batches: list[list[Change]]) -> tuple[list[str], dict[str, tuple[str, float, int]]]:
    """What a plain dictionary makes of changes: outcomes, and picture, vector and caption's number by id."""
    told: list[str] = []
    model: dict[str, tuple[str, float, int]] = {}
    for change in (each for batch in batches for each in batch):
        if isinstance(change, Remove):
            told.append("removed" if model.pop(change.id, None) else "absent")
            continue
        number = change.record.metadata["number"]
        assert isinstance(number, int)
        if change.vector is not None:
            told.append("updated" if change.id in model else "created")
            model[change.id] = (change.record.sha256, number / 64, number)
        elif change.id in model:
            told.append("updated")
            model[change.id] = (*model[change.id][:2], number)
        else:
            told.append("unknown")
    return told, model


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(changes, min_size=1, max_size=3))
def test_a_batch_is_its_changes_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Change]]
) -> None:
    """Whatever shares a commit: outcomes and rows are those of making the changes one by one."""
    collection = empty_collection(tmp_path_factory.mktemp("writes"))

    told = [outcome for batch in batches for outcome in apply(collection, batch)]

    expected, model = one_by_one(batches)
    latest = collection.latest()
    records, vectors = latest.get_many(["item-0", "item-1", "item-2"]), latest.vectors(["item-0", "item-1", "item-2"])
    assert expected == told
    assert {key: (sha256, number) for key, (sha256, _, number) in model.items()} == {
        key: (record.sha256, record.metadata["number"]) for key, record in records.items()
    }
    assert {key: vector for key, (_, vector, _) in model.items()} == {
        key: float(each[0]) for key, each in vectors.items()
    }
    assert sorted((key, 0, f"text {number}") for key, (_, _, number) in model.items()) == live_captions(collection)


def test_another_models_vectors_are_refused(tmp_path: Path) -> None:
    """Vectors of two models cannot be compared: nothing of the batch is written, and what to do is said."""
    collection = empty_collection(tmp_path)

    with pytest.raises(BundleMismatch, match="embed the item again"):
        apply(collection, [put(1), put(2, 1, bundle="f" * 64)])

    assert 0 == collection.latest().count()


def test_what_others_wrote_is_seen(tmp_path: Path) -> None:
    """A collection that was opened before another process wrote takes that up first."""
    ours = empty_collection(tmp_path)
    theirs = Collection.open(tmp_path, "test")
    apply(theirs, [put(1)])

    assert ["updated"] == apply(ours, [put(2)])
    assert 1 == ours.latest().count()


def test_a_row_is_one_vector_of_an_item(tmp_path: Path) -> None:
    """Who keeps its vector keeps its row; another vector is another row, which costs the same in any collection."""
    collection = empty_collection(tmp_path)
    apply(collection, [put(1), put(2, 1)])
    before = row_of(collection)

    apply(collection, [put(3, keeps=True)])
    assert before == row_of(collection)

    apply(collection, [put(4), put(5, 1, keeps=True)])
    assert before["item-1"] == row_of(collection)["item-1"]
    assert row_of(collection)["item-0"] not in before.values()


def row_of(collection: Collection) -> dict[str, int]:
    """Row ids by item."""
    latest = collection.latest()
    return {item_id: stored.row for item_id, stored in latest.stored(["item-0", "item-1"]).items()}


def test_patches_stay_with_their_picture(tmp_path: Path) -> None:
    """New captions leave the patches; a new picture brings its own, or none."""
    collection = empty_collection(tmp_path)
    collection.keep_patches()
    apply(collection, [replace(put(1), patches=b"read")])
    apply(collection, [put(2, keeps=True)])
    assert {"item-0": b"read"} == collection.latest().patches(["item-0"])

    apply(collection, [put(3)])
    assert {} == collection.latest().patches(["item-0"])
