"""index.fields.change: fields come and go whole, beside writers, and rows do not count as changed."""

from pathlib import Path
from typing import Any

import lance
import pytest

from index.collection import Collection
from index.errors import FieldInvalid, FieldUnknown, LeaseHeld
from index.fields import change as module
from index.fields.change import add_fields, declare_fields, drop_fields
from index.fields.types import Field, derived_fields
from index.lease import lease
from index.live.changes import changes
from tests.index.filters.support import FIELDS, write
from tests.index.support import DIM, empty_collection

PRICE, TAGS, PLACE = Field("price", "float"), Field("tags", "strings"), Field("place", "geo")


def filled(folder: Path) -> Collection:
    """Items in several fragments, one of them deleted and one replaced."""
    collection = empty_collection(folder)
    write(collection, {number: {"price": number, "tags": [str(number)]} for number in range(4)})
    write(collection, {4: {"price": "4.5"}, 5: {"price": "much", "place": [1, 2]}})
    collection.delete(["item-00001"])
    write(collection, {2: {"price": 22}})
    collection.refresh()
    return collection


def column(collection: Collection, name: str) -> dict[int, Any]:
    """Values by the number of their item."""
    table = collection.latest().items.to_table(columns=["id", name])
    return {int(item[-5:]): value for item, value in zip(table["id"].to_pylist(), table[name].to_pylist(), strict=True)}


def test_fields_are_filled_from_the_metadata(tmp_path: Path) -> None:
    """Every row gets its value; what does not fit is null, and counted; the order of rows and their ids stay."""
    collection = filled(tmp_path)
    before = collection.items.to_table(columns=["id"], with_row_id=True)
    misfits = add_fields(collection, [PRICE, TAGS, PLACE])
    assert {"price": 1} == misfits
    assert {0: 0.0, 2: 22.0, 3: 3.0, 4: 4.5, 5: None} == column(collection, "field:price")
    assert {0: ["0"], 2: None, 3: ["3"], 4: None, 5: None} == column(collection, "field:tags")
    assert {0: None, 2: None, 3: None, 4: None, 5: 2.0} == column(collection, "field:place/lon")
    assert before == collection.latest().items.to_table(columns=["id"], with_row_id=True)


def test_an_empty_collection_may_have_fields(tmp_path: Path) -> None:
    """They are filled by what is written, also where they were declared on a bare dataset."""
    collection = empty_collection(tmp_path)
    add_fields(collection, [PRICE])
    declare_fields(collection.latest().items, [TAGS])
    write(collection, {1: {"price": 1, "tags": "x"}})
    assert ({1: 1.0}, {1: ["x"]}) == (column(collection, "field:price"), column(collection, "field:tags"))


def test_writers_keep_the_fields(tmp_path: Path) -> None:
    """New and replaced items have their values, and those that do not fit stop no write."""
    collection = filled(tmp_path)
    add_fields(collection, FIELDS)
    write(collection, {0: {"price": 9.5}, 7: {"price": [], "tags": ["a"]}, 3: {}})
    prices = column(collection, "field:price")
    assert (9.5, None, None) == (prices[0], prices[7], prices[3])
    assert ["a"] == column(collection, "field:tags")[7]


def test_no_row_counts_as_changed(tmp_path: Path) -> None:
    """What a live view takes for written since its snapshot is the same before and after, even when files are merged."""
    collection = filled(tmp_path)
    before = collection.items
    add_fields(collection, [PRICE, TAGS])
    collection.latest().items.optimize.compact_files()
    found = changes(before, collection.latest().items, DIM)
    assert (0, 0) == (len(found.rows), len(found.gone))
    write(collection, {3: {"price": 1}})
    assert 1 == len(changes(before, collection.latest().items, DIM).rows)


def test_other_indexes_stay(tmp_path: Path) -> None:
    """An index over another column still covers every row."""
    collection = filled(tmp_path)
    collection.items.create_scalar_index("id", "BTREE")
    add_fields(collection, [PRICE])
    assert 0 == collection.latest().items.stats.index_stats("id_idx")["num_unindexed_rows"]


def test_writers_go_on_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written, replaced, deleted and merged while the columns are made has its values too."""
    collection = filled(tmp_path)
    write_columns = module._Backfill.write
    done: list[int] = []

    def meanwhile(self: module._Backfill, items: lance.LanceDataset) -> None:
        write_columns(self, items)
        if not done:
            done.append(1)
            other = Collection.open(tmp_path, "test")
            write(other, {0: {"price": 100}, 9: {"price": 9}})
            other.delete(["item-00003"])
            other.latest().items.optimize.compact_files()

    monkeypatch.setattr(module._Backfill, "write", meanwhile)
    add_fields(collection, [PRICE])
    assert {0: 100.0, 2: 22.0, 4: 4.5, 5: None, 9: 9.0} == column(collection, "field:price")


def test_another_column_meanwhile_only_costs_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lance numbers columns one after the other: ours are made again behind the one that came between."""
    collection = filled(tmp_path)
    write_columns = module._Backfill.write
    done: list[int] = []

    def meanwhile(self: module._Backfill, items: lance.LanceDataset) -> None:
        write_columns(self, items)
        if not done:
            done.append(1)
            Collection.open(tmp_path, "test").keep_patches()

    monkeypatch.setattr(module._Backfill, "write", meanwhile)
    add_fields(collection, [TAGS])
    assert collection.latest().keeps_patches
    assert ["3"] == column(collection, "field:tags")[3]


@pytest.mark.parametrize("step", ["add_columns", "commit"])
def test_a_kill_between_the_commits_leaves_no_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Half-made columns are seen by nobody, writers go on, and the same call makes them whole."""
    collection = filled(tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(lance.LanceDataset, "commit" if step == "add_columns" else "alter_columns", _killed)
        with pytest.raises(KeyboardInterrupt):
            add_fields(collection, [PRICE, TAGS])
    assert [] == derived_fields(collection.latest().items.schema)
    write(collection, {0: {"price": 7}, 8: {"price": 8}})
    add_fields(collection, [PRICE])
    assert {0: 7.0, 2: 22.0, 3: 3.0, 4: 4.5, 5: None, 8: 8.0} == column(collection, "field:price")
    assert [PRICE] == derived_fields(collection.latest().items.schema)
    assert not [name for name in collection.latest().items.schema.names if name.startswith("filling")]


def test_a_field_is_dropped_with_its_index(tmp_path: Path) -> None:
    """Afterwards it may come again with another type."""
    collection = filled(tmp_path)
    add_fields(collection, [PRICE, PLACE])
    collection.latest().items.create_scalar_index("field:price", "BTREE")
    drop_fields(collection, ["price", "place"])
    latest = collection.latest().items
    assert ([], []) == (derived_fields(latest.schema), latest.describe_indices())
    assert {"price": 2} == add_fields(collection, [Field("price", "int")])
    assert {0: 0, 2: 22, 3: 3, 4: None, 5: None} == column(collection, "field:price")


def test_what_cannot_be_changed_is_refused(tmp_path: Path) -> None:
    """A field that is there, one that is not, one that every item has; and nothing changes beside a job."""
    collection = filled(tmp_path)
    add_fields(collection, [PRICE])
    version = collection.latest().version
    with pytest.raises(FieldInvalid, match="already"):
        add_fields(collection, [Field("price", "int")])
    with pytest.raises(FieldUnknown, match="colour"):
        drop_fields(collection, ["price", "colour"])
    with pytest.raises(FieldInvalid, match="every item"):
        drop_fields(collection, ["id"])
    with lease(tmp_path / "test", "embedding"):
        for call in (lambda: add_fields(collection, [TAGS]), lambda: drop_fields(collection, ["price"])):
            with pytest.raises(LeaseHeld, match="embedding"):
                call()
    assert version == collection.latest().version


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
