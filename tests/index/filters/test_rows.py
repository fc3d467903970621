"""index.filters.rows: the rows that Lance finds are those that plain Python finds, whatever is asked of whatever is there."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.fields.indexes import index_fields
from index.fields.types import fields_of
from index.filters.grammar import parse_filter
from index.filters.rows import matching_rows
from tests.index.filters.support import FIELDS, FILTERS, METADATA, TEXTS, collection_of, ids_of, matches, write

ROWS = 100
FIELDS_OF = {field.name: field for field in FIELDS}


def drawn(size: int) -> list[dict[str, Any]]:
    """Metadata of *size* items, the same in each run."""
    found: list[dict[str, Any]] = []

    @settings(max_examples=1, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(METADATA, min_size=size, max_size=size))
    def draw(rows: list[dict[str, Any]]) -> None:
        found[:] = rows

    draw()
    # hypothesis begins with what is simplest: fill up with values that filters will meet
    return [row | {"brand": TEXTS[at % len(TEXTS)], "stock": at % 6} for at, row in enumerate(found)]


@pytest.fixture(scope="module")
def metadata() -> list[dict[str, Any]]:
    """Of many items."""
    return drawn(ROWS)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, metadata: list[dict[str, Any]]) -> Collection:
    """A collection of them without indexes."""
    return collection_of(tmp_path_factory.mktemp("plain"), metadata).latest()


@pytest.fixture(scope="module")
def indexed(plain: Collection) -> Collection:
    """The same with an index over each column, of the kinds that each type may have."""
    index_fields(plain, from_rows=1)
    for column in ("price", "made"):
        plain.latest().items.create_scalar_index(f"field:{column}", "BTREE")
    return plain.latest()


def found(collection: Collection, asked: object) -> list[str]:
    """Ids of the items that match."""
    rows = matching_rows(collection.items, parse_filter(asked, fields_of(collection.items.schema)))
    assert np.int64 == rows.dtype
    assert bool((np.diff(rows) > 0).all()), "row ids ascend, and each comes once"
    return ids_of(collection, rows.tolist())


def expected(metadata: dict[int, dict[str, Any]], asked: object) -> list[str]:
    """What plain Python says."""
    return [f"item-{number:05d}" for number in sorted(metadata) if matches(asked, number, metadata[number])]


@settings(max_examples=60, deadline=None)
@given(FILTERS)
def test_lance_agrees_with_plain_python(
    plain: Collection, indexed: Collection, metadata: list[dict[str, Any]], asked: dict[str, Any]
) -> None:
    """Any filter over values of every type, nulls, junk and quotes among them, with indexes and without."""
    wanted = expected(dict(enumerate(metadata)), asked)
    assert wanted == found(plain, asked)
    assert wanted == found(indexed, asked)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(METADATA, min_size=1, max_size=6), asked=st.lists(FILTERS, min_size=6, max_size=6))
def test_any_metadata(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], asked: list[dict[str, Any]]
) -> None:
    """Fresh metadata each time."""
    collection = collection_of(tmp_path_factory.mktemp("any"), rows).latest()
    for each in asked:
        assert expected(dict(enumerate(rows)), each) == found(collection, each)


ASKED: list[Any] = [
    {"field": "stock", "op": "lt", "value": 3},
    {"not": {"field": "stock", "op": "lt", "value": 3}},
    {"field": "stock", "op": "exists", "value": False},
    {"field": "brand", "op": "ne", "value": "a"},
    {"field": "brand", "op": "in", "value": ["a", "o'x"]},
    {"field": "tags", "op": "contains", "value": "a"},
    {"not": {"field": "tags", "op": "contains", "value": "a"}},
    {"field": "tags", "op": "eq", "value": "a"},
    {"field": "tags", "op": "ne", "value": "a"},
    {"field": "sale", "op": "eq", "value": True},
    {"and": [{"field": "stock", "op": "gte", "value": 2}, {"field": "tags", "op": "in", "value": ["a", "ab"]}]},
    {"field": "place", "op": "geo", "value": {"lat": 10, "lon": 180, "radius_m": 50_000}},
]


@pytest.mark.parametrize("seed", range(3))
def test_indexes_stay_right_whatever_happens(tmp_path: Path, seed: int) -> None:
    """Rows that came, changed, moved or went after an index was made are found, or not found, as they are now."""
    dice = random.Random(seed)
    pool = drawn(30)
    now = {number: dice.choice(pool) for number in range(8)}
    collection = collection_of(tmp_path, list(now.values()))

    def put(numbers: list[int]) -> None:
        fresh = {number: dice.choice(pool) for number in numbers}
        write(collection, fresh)
        now.update(fresh)

    def remove() -> None:
        gone = dice.sample(sorted(now), 2)
        collection.delete(f"item-{number:05d}" for number in gone)
        for number in gone:
            del now[number]

    steps: list[Callable[[], object]] = [
        lambda: put([max(now) + 1, max(now) + 2]),
        lambda: put([dice.choice(sorted(now)), max(now) + 1]),
        remove,
        lambda: index_fields(collection, from_rows=1),
        lambda: collection.latest().items.optimize.compact_files() and None,
    ]
    index_fields(collection, from_rows=1)
    for _ in range(6):
        dice.choice(steps)()
        for asked in ASKED:
            assert expected(now, asked) == found(collection.latest(), asked), asked


def test_two_valued_logic(tmp_path: Path) -> None:
    """A row without a price is not cheap, so it is among those that are not cheap, and equal to no price."""
    collection = collection_of(tmp_path, [{"price": 1}, {"price": 9}, {}, {"price": "none"}]).latest()
    cheap = {"field": "price", "op": "lt", "value": 5}
    assert ["item-00000"] == found(collection, cheap)
    assert ["item-00001", "item-00002", "item-00003"] == found(collection, {"not": cheap})
    assert ["item-00000"] == found(collection, {"not": {"not": cheap}})
    assert 4 == len(found(collection, {"or": [cheap, {"not": cheap}]}))
    assert ["item-00001"] == found(collection, {"and": [{"not": cheap}, {"field": "price", "op": "exists"}]})


def test_a_list_is_asked_for_its_elements(tmp_path: Path) -> None:
    """A value means one element equal to it, a list any of several; an item without tags has none, and is found by ne."""
    rows = [{"tags": ["red", "blue"]}, {"tags": "red"}, {"tags": ["reddish"]}, {"tags": []}, {}]
    collection = collection_of(tmp_path, rows).latest()
    for asked, wanted in (
        ({"tags": "red"}, [0, 1]),
        ({"tags": {"eq": "red"}}, [0, 1]),
        ({"tags": ["blue", "reddish"]}, [0, 2]),
        ({"and": [{"tags": "red"}, {"tags": "blue"}]}, [0]),
        ({"tags": {"ne": "red"}}, [2, 3, 4]),
        ({"tags": {"ne": "red", "exists": True}}, [2, 3]),
    ):
        assert [f"item-{number:05d}" for number in wanted] == found(collection, asked), asked


def test_an_older_version_is_asked_at_that_version(tmp_path: Path) -> None:
    """A pinned reader finds what was there, with the fields that were there."""
    collection = collection_of(tmp_path, [{"stock": 1}])
    pinned = collection.latest()
    write(collection, {0: {"stock": 2}, 1: {"stock": 1}})
    assert ["item-00000"] == found(pinned, {"stock": 1})
    assert ["item-00001"] == found(collection.latest(), {"stock": 1})


def test_a_value_is_never_a_part_of_a_query(tmp_path: Path) -> None:
    """Quotes, escapes, wildcards, NUL and SQL are letters like others, in every operator that takes a text."""
    texts = [*TEXTS, "' OR 1=1 --", "'] OR true OR array_has_any(`field:tags`, ['", "${x}", "\\'", "''", "`", "'\n;"]
    rows = dict(enumerate([{"brand": text, "tags": [text, "b"]} for text in texts] + [{}]))
    collection = collection_of(tmp_path, list(rows.values())).latest()
    for text in texts:
        for field, op, value in (
            ("brand", "eq", text),
            ("brand", "in", [text, "q"]),
            ("brand", "prefix", text),
            ("brand", "contains", text),
            ("tags", "contains", text),
            ("tags", "eq", text),
            ("tags", "in", [text, "q"]),
        ):
            asked = {"field": field, "op": op, "value": value}
            assert expected(rows, asked) == found(collection, asked), asked


def test_the_largest_lists_are_answered(tmp_path: Path) -> None:
    """As many values as the grammar lets in do not overflow anything, for any type that takes them."""
    collection = collection_of(tmp_path, [{"stock": 5, "brand": "v7", "tags": ["v8"]}, {"stock": -1}]).latest()
    texts = [f"v{number}" for number in range(10_000)]
    for asked in ({"stock": list(range(10_000))}, {"brand": texts}, {"tags": texts}):
        assert ["item-00000"] == found(collection, asked)
        assert ["item-00001"] == found(collection, {"not": asked})


def test_an_index_that_would_not_help_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A range that many rows are in is read through, a narrow one is left to the tree; both are right."""
    collection = collection_of(tmp_path, [{"price": number, "stock": number} for number in range(200)])
    collection.latest().items.create_scalar_index("field:price", "BTREE")
    plans: list[str] = []
    to_table = lance.LanceDataset.to_table

    def watched(items: lance.LanceDataset, **options: object) -> pa.Table:
        plans.append(items.scanner(**options).explain_plan())
        return to_table(items, **options)

    monkeypatch.setattr(lance.LanceDataset, "to_table", watched)
    for bound, by_index in ((100, False), (2, True)):
        plans.clear()
        assert bound == len(matching_rows(collection.latest().items, parse_filter({"price": {"lt": bound}}, FIELDS_OF)))
        assert [by_index] == ["ScalarIndexQuery" in plan for plan in plans]
