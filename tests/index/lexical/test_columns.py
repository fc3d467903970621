"""Fields of the metadata whose texts are searched by words."""

from dataclasses import replace
from pathlib import Path

import pytest

from index.collection import Collection
from index.errors import FieldUnknown, TextIndexMissing
from index.fields.change import add_fields
from index.fields.types import parse_declaration
from index.lexical.columns import text_columns
from index.lexical.search import search_texts
from index.lexical.upkeep import index_texts
from index.rows import Entry
from tests.index.support import empty_collection, entry


def noted(number: int, note: str) -> Entry:
    """An item whose metadata have a note."""
    plain = entry(number, ("red circle",))
    return replace(plain, record=replace(plain.record, metadata={"note": note, "price": number}))


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Three items with notes, and fields of their notes and prices."""
    made = empty_collection(tmp_path)
    made.add([noted(1, "a zebra"), noted(2, "two lions"), noted(3, "zebra and lion")])
    add_fields(made, [parse_declaration("note:string"), parse_declaration("price:int")])
    return made.latest()


def found(collection: Collection, words: str, *names: str) -> list[str]:
    """Ids of the items found by words, sorted."""
    ranking = search_texts(collection, words, 10, columns=text_columns(collection.items.schema, names))
    return sorted(record.id[-1] for record in collection.records_at(ranking.rows.tolist()) if record)


def test_words_of_a_field_are_found_beside_those_of_captions(collection: Collection) -> None:
    """What only a field says is found where the field is named, and not by captions alone."""
    index_texts(collection, columns=text_columns(collection.items.schema, ["note"]))
    now = collection.latest()

    assert ["1", "3"] == found(now, "zebra", "note") == found(now, "zebra", "captions", "note", "note")
    assert [] == found(now, "zebra", "captions")
    assert ["1", "2", "3"] == found(now, "zebra circle", "captions", "note")


def test_what_is_written_and_changed_since_is_found_at_once(collection: Collection) -> None:
    """An item that came after the index, or whose field was changed, is found by what its field says now."""
    index_texts(collection, columns=text_columns(collection.items.schema, ["note"]))

    writer = Collection.open(collection.home.parent, "test")
    writer.add([noted(4, "a zebra too"), noted(1, "nothing")])

    now = collection.latest()
    assert ["3", "4"] == found(now, "zebra", "note")
    index_texts(now)
    assert ["3", "4"] == found(collection.latest(), "zebra", "note")


def test_a_field_that_is_no_text_or_not_there_is_refused(collection: Collection) -> None:
    """The error names the place in the request and the fields that there are."""
    for name in ("price", "colour"):
        with pytest.raises(FieldUnknown, match=r"hybrid\.fields: .*note"):
            text_columns(collection.items.schema, [name], "hybrid.fields")


def test_a_field_without_an_index_says_how_it_gets_one(collection: Collection) -> None:
    """The error names the field as the user does, and the command."""
    index_texts(collection)

    with pytest.raises(TextIndexMissing, match=r"'note' .* `vilem index fields test words note`"):
        found(collection.latest(), "zebra", "note")
