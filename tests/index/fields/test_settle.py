"""index.fields.settle: after a job filters work without a declaration."""

from pathlib import Path

import pytest

from index.fields import settle as module
from index.fields.change import drop_fields
from index.fields.settle import settle_fields
from index.fields.types import Field, derived_fields
from tests.index.filters.support import write
from tests.index.support import empty_collection


def test_what_has_one_type_becomes_a_field(tmp_path: Path) -> None:
    """Keys of one type throughout are added and filled; mixed and deep ones stay metadata."""
    collection = empty_collection(tmp_path)
    write(collection, {0: {"price": 1, "mixed": 1, "deep": {"a": 1}}, 1: {"price": 2.5, "mixed": "x"}})
    settled = settle_fields(collection)
    latest = collection.latest().items
    assert [Field("price", "float")] == derived_fields(latest.schema) == settled.fields == settled.added
    assert [1.0, 2.5] == latest.to_table(columns=["field:price"])["field:price"].to_pylist()


def test_a_second_time_only_adds_what_is_new(tmp_path: Path) -> None:
    """Fields keep their type, values that do not fit them are counted; where nothing is new nothing is committed."""
    collection = empty_collection(tmp_path)
    write(collection, {0: {"price": 1}})
    settle_fields(collection)
    write(collection, {1: {"price": 2.5, "brand": "x"}})
    settled = settle_fields(collection)
    assert [Field("brand", "string")] == settled.added
    assert [Field("price", "int"), Field("brand", "string")] == settled.fields
    assert {"price": 1} == settled.misfits
    version = collection.latest().version
    assert [] == settle_fields(collection).added
    assert version == collection.latest().version


def test_there_is_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most frequent keys become fields; what is left is told, not lost. Those that were there count."""
    monkeypatch.setattr(module, "MAX_INFERRED", 2)
    collection = empty_collection(tmp_path)
    write(collection, {0: {"rare": 1, "common": 1, "usual": 1}, 1: {"common": 1, "usual": 1}})
    settled = settle_fields(collection)
    assert ["common", "usual"] == [field.name for field in settled.added]
    assert ["rare"] == [proposal.field.name for proposal in settled.left]
    drop_fields(collection, ["usual"])
    assert ["usual"] == [field.name for field in settle_fields(collection).added]
