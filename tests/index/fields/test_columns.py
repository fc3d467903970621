"""index.fields.columns: a row for each item, null where nothing fits."""

from datetime import UTC, datetime

import pyarrow as pa
from pydantic import JsonValue

from index.fields.columns import misfits_of, typed_columns
from index.fields.types import TYPES, Field


def test_each_field_has_its_columns() -> None:
    """Types are the fields', whether there are rows, values or none."""
    fields = [Field(kind, kind) for kind in TYPES]
    expected = {name: kind for field in fields for name, kind in field.columns().items()}
    for metadata in ([], [{}], [{}, {"int": 1}]):
        columns, misfits = typed_columns(metadata, fields)
        assert expected == {name: column.type for name, column in columns.items()}
        assert {len(metadata)} == {len(column) for column in columns.values()}
        assert not misfits


def test_a_misfit_is_null_and_counted() -> None:
    """A value of another type stops nothing; null and a key that is missing are no misfits."""
    metadata = [{"n": 1}, {"n": "x"}, {"n": None}, {}, {"n": [2]}, {"n": "7"}]
    columns, misfits = typed_columns(metadata, [Field("n", "int"), Field("other", "string")])
    assert [1, None, None, None, None, 7] == columns["field:n"].to_pylist()
    assert {"n": 2} == misfits


def test_misfits_are_named() -> None:
    """Each field whose value is none of its type, in the fields' order, with the value; as `typed_columns` counts them."""
    fields = [Field("n", "int"), Field("t", "strings"), Field("at", "geo"), Field("none", "float")]
    item: dict[str, JsonValue] = {"at": [3, 400], "n": "x", "t": ["a"], "none": None, "free": "x"}
    assert [(fields[0], "x"), (fields[2], [3, 400])] == misfits_of(item, fields)
    assert {"n": 1, "at": 1} == typed_columns([item], fields)[1]


def test_a_point_is_two_columns() -> None:
    """Latitude and longitude are both there or both null."""
    metadata = [{"at": {"lat": 1, "lon": 2}}, {}, {"at": [3, 4]}, {"at": [3, 400]}]
    columns, misfits = typed_columns(metadata, [Field("at", "geo")])
    assert {"field:at/lat": [1.0, None, 3.0, None], "field:at/lon": [2.0, None, 4.0, None]} == {
        name: column.to_pylist() for name, column in columns.items()
    }
    assert 1 == misfits["at"]


def test_times_are_microseconds_of_utc() -> None:
    """What the column holds is a moment, wherever it was written down."""
    columns, _ = typed_columns([{"t": "2024-01-31T01:00:00.000001+01:00"}], [Field("t", "datetime")])
    assert pa.timestamp("us", "UTC") == columns["field:t"].type
    assert [datetime(2024, 1, 31, 0, 0, 0, 1, UTC)] == columns["field:t"].to_pylist()
