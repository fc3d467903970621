"""index.fields.indexes: an index is a help and never a change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from index.collection import Collection
from index.fields import indexes as module
from index.fields.change import add_fields
from index.fields.indexes import index_fields, index_names, update_field_indexes
from index.fields.types import Field
from index.live.changes import changes
from tests.index.filters.support import FIELDS, write
from tests.index.support import DIM, empty_collection


def collection_with(folder: Path, fields: list[Field], rows: int = 8) -> Collection:
    """Some items in two fragments."""
    collection = empty_collection(folder)
    add_fields(collection, fields)
    write(
        collection, {number: {"price": number, "text": "x" * 200, "brand": "ab"[number % 2]} for number in range(rows)}
    )
    write(collection, {rows: {"price": rows}})
    collection.refresh()
    return collection


def kinds(collection: Collection) -> dict[str, str]:
    """Kind of index by column."""
    return {index.field_names[0]: index.index_type for index in collection.latest().items.describe_indices()}


def test_each_type_has_its_kind(tmp_path: Path) -> None:
    """Few values get bitmaps, lists label lists, points two trees; long texts get none, nor does a small collection."""
    collection = collection_with(tmp_path, [*FIELDS, Field("text", "string")])
    assert [] == index_fields(collection)
    index_fields(collection, from_rows=1)
    expected = {"sale": "Bitmap", "brand": "Bitmap", "price": "Bitmap", "stock": "Bitmap", "tags": "LabelList"}
    found = kinds(collection)
    assert expected == {name: found[f"field:{name}"] for name in expected}
    assert "BTree" == found["field:place/lat"] == found["field:place/lon"]
    assert "field:text" not in found


def test_many_values_get_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bitmap for each of very many values would be the larger one."""
    monkeypatch.setattr(module, "_MAX_BITMAPS", 3)
    collection = collection_with(tmp_path, [Field("price", "float"), Field("brand", "string")])
    index_fields(collection, from_rows=1)
    assert {"field:price": "BTree", "field:brand": "Bitmap"} == kinds(collection)


def test_new_rows_are_taken_in(tmp_path: Path) -> None:
    """A second call covers what was written since, and keeps the kind; a third one has nothing to do."""
    collection = collection_with(tmp_path, [Field("price", "float")])
    index_fields(collection, from_rows=1)
    write(collection, {0: {"price": 5}, 20: {"price": 20}})
    assert 2 == collection.latest().items.stats.index_stats("field:price_idx")["num_unindexed_rows"]
    assert ["field:price"] == index_fields(collection, from_rows=1)
    latest = collection.latest()
    assert 0 == latest.items.stats.index_stats("field:price_idx")["num_unindexed_rows"]
    index_fields(collection, from_rows=1)
    assert latest.version == collection.latest().version


def test_an_update_waits_until_it_pays(tmp_path: Path) -> None:
    """So many rows may be without their place in an index; with one more all indexes hear of all rows, and none is made."""
    collection = collection_with(tmp_path, [Field("price", "float"), Field("brand", "string"), Field("place", "geo")])
    assert [] == update_field_indexes(collection, behind=0)
    assert {} == kinds(collection)
    index_fields(collection, from_rows=1)
    add_fields(collection, [Field("text", "string")])
    write(collection, {0: {"price": 5}, 20: {"price": 20, "brand": "c"}})
    version = collection.latest().version
    assert [] == update_field_indexes(collection, behind=2)
    assert version == collection.latest().version

    late = update_field_indexes(collection, behind=1)

    assert (
        ["field:brand", "field:place/lat", "field:place/lon", "field:price"]
        == sorted(late)
        == sorted(kinds(collection))
    )
    stats = collection.latest().items.stats
    assert {0} == {stats.index_stats(f"{column}_idx")["num_unindexed_rows"] for column in late}
    assert [] == update_field_indexes(collection, behind=0)


def test_an_index_changes_no_row(tmp_path: Path) -> None:
    """A live view sees nothing of it."""
    collection = collection_with(tmp_path, [Field("price", "float")])
    index_fields(collection, from_rows=1)
    assert 0 == len(changes(collection.items, collection.latest().items, DIM).rows)


def test_a_compaction_meanwhile_only_costs_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were moved while an index was made are indexed where they are now; other failures are told."""
    collection = collection_with(tmp_path, [Field("price", "float")])
    kind_of_values, compacted = module._kind_of_values, collection.latest
    stale = collection.latest()

    def between(*_: object) -> module.Kind | None:
        compacted().items.optimize.compact_files()
        monkeypatch.setattr(module.Collection, "latest", _once(stale, compacted))
        return kind_of_values(stale.items, "field:price")

    monkeypatch.setattr(module, "_kind_of_values", between)
    assert ["field:price"] == index_fields(collection, from_rows=1)
    monkeypatch.undo()
    assert 0 == collection.latest().items.stats.index_stats("field:price_idx")["num_unindexed_rows"]

    def broken() -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        module._patiently(collection, broken)


def test_names_are_of_one_column(tmp_path: Path) -> None:
    """An index over another column is not meant."""
    collection = collection_with(tmp_path, [Field("price", "float"), Field("brand", "string")])
    collection.items.create_scalar_index("field:price", "BTREE")
    latest = collection.latest().items
    assert (["field:price_idx"], []) == (index_names(latest, "field:price"), index_names(latest, "field:brand"))


def _once(stale: Collection, fresh: Callable[[], Collection]) -> Callable[[Collection], Collection]:
    """A look that comes too early, then looks that are right."""
    answers = [stale]
    return lambda _: answers.pop() if answers else fresh()
