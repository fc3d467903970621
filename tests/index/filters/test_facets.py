"""index.filters.facets: counts are what counting by hand gives."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.errors import FieldInvalid, FieldUnknown
from index.fields.types import Field, fields_of
from index.fields.values import MISFIT, fit
from index.filters import facets as module
from index.filters.facets import MAX_FACETS, MAX_LIMIT, Bucket, facet_counts
from index.filters.grammar import parse_filter
from index.filters.rows import matching_rows
from tests.index.filters.support import FIELDS, METADATA, TIMES, collection_of, write

COUNTED = [field for field in FIELDS if field.type in ("string", "int", "bool", "strings")]
NAMES = [field.name for field in FIELDS if field.type != "geo"]


def by_hand(metadata: list[dict[str, Any]], field: Field, limit: int) -> tuple[int, int, tuple[tuple[Any, int], ...]]:
    """Missing, distinct, and the best values."""
    fitted = [fit(row.get(field.name), field.type) for row in metadata]
    values = [None if value is MISFIT else value for value in fitted]
    counts = Counter(
        each for value in values if value is not None for each in (set(value) if isinstance(value, list) else [value])
    )
    best = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]  # pyright: ignore[reportArgumentType]
    return values.count(None), len(counts), tuple(best)


@settings(max_examples=8, deadline=None)
@given(rows=st.lists(METADATA, min_size=1, max_size=10), limit=st.integers(1, 4))
def test_values_are_counted(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], limit: int) -> None:
    """The most frequent values with their items, equal ones by value; an item counts once for an element of its list."""
    items = collection_of(tmp_path_factory.mktemp("facets"), rows).latest().items
    found = facet_counts(items, NAMES, limit=limit)
    assert NAMES == list(found)
    for field in COUNTED:
        facet = found[field.name]
        assert by_hand(rows, field, limit) == (facet.missing, facet.distinct, facet.values)
    for name in ("price", "made"):
        facet = found[name]
        assert len(rows) == facet.missing + sum(bucket.count for bucket in facet.buckets)
        assert len(facet.buckets) <= limit and () == facet.values


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1.0, 1.5, 2.0, -3.0, 1e300, 5e-324]) | st.floats(-10, 10), min_size=1),
    st.integers(1, 6),
)
def test_buckets_part_the_values(values: list[float], limit: int) -> None:
    """They ascend from the least to the greatest value, without a gap, and each counts its own."""
    values = [value + 0.0 for value in values]
    ranges = module._Ranges()
    for part in (values[:3], values[3:]):
        ranges.add(module.pa.array(part, module.pa.float64()))
    facet = ranges.facet(Field("x", "float"), limit)
    buckets = facet.buckets
    assert (min(values), max(values)) == (buckets[0].low, buckets[-1].high)
    assert all(one.high == other.low for one, other in pairwise(buckets))
    for bucket in buckets[:-1]:
        assert bucket.count == sum(bucket.low <= value < bucket.high for value in values)
    last = buckets[-1]
    assert last.count == sum(last.low <= value <= last.high for value in values)
    assert len(set(values)) == facet.distinct


def many(folder: Path) -> Collection:
    """Items in several fragments, some replaced and deleted, so that rows are not stored in the order of their ids."""
    collection = collection_of(folder, [{"stock": number % 5, "tags": ["a", f"t{number % 3}"]} for number in range(30)])
    write(collection, {3: {"stock": 9}, 40: {"stock": 1}})
    collection.delete(["item-00004"])
    return collection.latest()


@pytest.mark.parametrize("fetched", [0, 1_000])
def test_only_the_given_rows_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetched: int) -> None:
    """Whether few rows are fetched or columns are read through, the counts are those of the rows that match."""
    monkeypatch.setattr(module, "_FETCHED", fetched)
    items = many(tmp_path).items
    for asked in ({"stock": [1, 9]}, {"tags": ["t1"]}, {"stock": 77}, {"width": 3}):
        rows = matching_rows(items, parse_filter(asked, fields_of(items.schema)))
        facet = facet_counts(items, ["stock", "tags"], rows)
        table = items.to_table(columns=["field:stock", "field:tags"], with_row_id=True).to_pylist()
        kept = [row for row in table if row["_rowid"] in rows.tolist()]
        assert Counter(row["field:stock"] for row in kept) == dict(facet["stock"].values)
        tags = Counter(tag for row in kept for tag in set(row["field:tags"] or []))
        assert tags == dict(facet["tags"].values)


def test_partial_counts_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts in many small parts, added up again and again, are the same."""
    items = many(tmp_path).items
    expected = facet_counts(items, ["id", "stock", "tags"], limit=100)
    monkeypatch.setattr(module, "_BATCH_ROWS", 2)
    monkeypatch.setattr(module, "_PARTIAL", 3)
    assert expected == facet_counts(items, ["id", "stock", "tags"], limit=100)


def test_times_are_given_as_times(tmp_path: Path) -> None:
    """Ranges of times end in times of UTC."""
    items = collection_of(tmp_path, [{"made": TIMES[0]}, {"made": "2024-02-01"}, {"made": "2024-02-03"}]).latest().items
    first, last = datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 3, tzinfo=UTC)
    assert (Bucket(first, last, 3),) == facet_counts(items, ["made"], limit=1)["made"].buckets


def test_nothing_to_count(tmp_path: Path) -> None:
    """No rows, no fields, or an empty collection make empty facets, not errors."""
    items = many(tmp_path).items
    nothing = facet_counts(items, ["stock", "price"], np.zeros(0, np.int64))
    assert [(0, 0, (), ())] * 2 == [
        (each.missing, each.distinct, each.values, each.buckets) for each in nothing.values()
    ]
    assert {} == facet_counts(items, [])
    empty = collection_of(tmp_path / "empty", [])
    assert () == facet_counts(empty.latest().items, ["stock"])["stock"].values


def test_what_has_no_facet_is_told(tmp_path: Path) -> None:
    """Unknown fields, points, too many, and a limit out of range."""
    items = collection_of(tmp_path, [{}]).latest().items
    with pytest.raises(FieldUnknown, match=r"facets\[1\]: there is no field 'x'"):
        facet_counts(items, ["stock", "x"])
    with pytest.raises(FieldInvalid, match="place:geo is a point") as error:
        facet_counts(items, ["stock", "place"])
    assert "facets[1]" == error.value.path
    with pytest.raises(FieldInvalid, match=f"{MAX_FACETS} are allowed"):
        facet_counts(items, ["stock"] * (MAX_FACETS + 1))
    for limit in (0, MAX_LIMIT + 1):
        with pytest.raises(ValueError, match="limit"):
            facet_counts(items, ["stock"], limit=limit)
