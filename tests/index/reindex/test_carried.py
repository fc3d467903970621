"""Typed fields and indexes go along with a change of models."""

from pathlib import Path

import pytest

from index.collection import Collection
from index.fields.change import add_fields, drop_fields
from index.fields.types import parse_declaration
from index.lexical.text_index import ensure_text_index, text_index
from index.lexical.words import TextAnalysis
from index.reindex.carried import declare_like, has_fields_of, settle_like
from tests.index.published import entries, filled, unit_vectors

NUMBER = parse_declaration("number:int")
OTHER = parse_declaration("number.of:float")


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Three items with a typed field."""
    made = filled(tmp_path, unit_vectors(3))
    add_fields(made, [NUMBER])
    return made.latest()


def target_of(collection: Collection) -> Collection:
    """An empty generation with the same fields."""
    target = collection.create_generation("g1-0a0a0a0a", dim=8, bundle_digest="0a" * 32, bundle_name="other")
    declare_like(collection, target)
    return target


def test_fields_are_filled_as_rows_come(collection: Collection) -> None:
    """A new generation has the fields from the start, and what is written fills them."""
    target = target_of(collection)
    assert has_fields_of(collection, target)

    target.add(entries(unit_vectors(2)))

    assert [0, 1] == target.items.to_table(columns=[NUMBER.column])[NUMBER.column].to_pylist()


def test_fields_that_changed_meanwhile_change_too(collection: Collection) -> None:
    """What was added or dropped since is added, filled, or dropped."""
    target = target_of(collection)
    target.add(entries(unit_vectors(3)))
    drop_fields(collection, [NUMBER.name])
    add_fields(collection, [OTHER])
    assert not has_fields_of(collection.latest(), target)

    settle_like(collection, target)

    assert has_fields_of(collection.latest(), target.latest())
    assert NUMBER.column not in target.latest().items.schema.names


def test_texts_can_be_searched_in_the_same_way(collection: Collection) -> None:
    """Columns that are searched by words stay so, cut as they were."""
    german = TextAnalysis("German")
    ensure_text_index(collection.latest().captions, "text", german)
    target = target_of(collection)
    target.add(entries(unit_vectors(3)))

    settle_like(collection, target)

    index = text_index(target.latest().captions, "text")
    assert index is not None
    assert german == index.analysis
    assert text_index(target.latest().items, "uri") is None
