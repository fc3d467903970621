"""index.fields.types: columns tell which fields there are."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import FieldInvalid, FieldUnknown
from index.fields.types import (
    BUILT_IN,
    MAX_FIELDS,
    MAX_NAME_BYTES,
    TYPES,
    Field,
    check_addable,
    derived_fields,
    fields_of,
    find_field,
    parse_declaration,
)
from index.schema import items_schema

NAMES = st.text("aB./:`%'\" é日\\_-", min_size=1, max_size=6)


def schema_with(*fields: Field) -> pa.Schema:
    """Items with those fields."""
    schema = items_schema(4, patches=True)
    for field in fields:
        for name, kind in field.columns().items():
            schema = schema.append(pa.field(name, kind))
    return schema


@settings(max_examples=30)
@given(st.lists(st.builds(Field, NAMES, st.sampled_from(TYPES)), max_size=6, unique_by=lambda field: field.name))
def test_fields_are_read_off_the_columns(fields: list[Field]) -> None:
    """Whatever their names and types, fields come back from a schema as they went in, and no fixed column is one."""
    assert fields == derived_fields(schema_with(*fields))
    assert BUILT_IN | {field.name: field for field in fields} == fields_of(schema_with(*fields))


@settings(max_examples=30)
@given(st.builds(Field, NAMES, st.sampled_from(TYPES)), st.builds(Field, NAMES, st.sampled_from(TYPES)))
def test_columns_never_clash(one: Field, other: Field) -> None:
    """Fields of different names have different columns, none of them a fixed one, a part of a struct, or quoted wrongly."""
    fixed = set(items_schema(4, patches=True).names)
    assert not fixed & set(one.columns())
    assert not any(character in name for name in one.columns() for character in ".`'\"")
    assert one.name == other.name or not set(one.columns()) & set(other.columns())


def test_a_column_of_an_unknown_type_is_no_field() -> None:
    """A newer ViLEM's columns are left alone, not misread."""
    schema = items_schema(4).append(pa.field("field:x", pa.duration("s"))).append(pa.field("other:y", pa.string()))
    assert [] == derived_fields(schema)


@settings(max_examples=30)
@given(NAMES, st.sampled_from(TYPES))
def test_a_declaration_names_and_types(name: str, kind: str) -> None:
    """The last colon parts name and type: names may hold colons themselves."""
    assert Field(name, kind) == parse_declaration(f"{name}:{kind}")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("price", "write NAME:TYPE"),
        ("price:decimal", "string, int, float"),
        (":int", "write NAME:TYPE"),
        ("width:int", "of every item"),
        ("a\nb:int", "control characters"),
        ("x" * (MAX_NAME_BYTES + 1) + ":int", "cannot name a field"),
        ("\ud800:int", "cannot name a field"),
    ],
)
def test_a_bad_declaration_is_refused(text: str, says: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(FieldInvalid, match=says):
        parse_declaration(text)


def test_a_field_is_added_once_and_not_too_many() -> None:
    """Of two types of one name neither can be right, and each column costs something."""
    schema = schema_with(Field("price", "float"))
    with pytest.raises(FieldInvalid, match="price:float already: drop it"):
        check_addable([Field("price", "int")], schema)
    with pytest.raises(FieldInvalid, match="x:int already"):
        check_addable([Field("x", "int"), Field("x", "float")], schema)
    with pytest.raises(FieldInvalid, match=f"{MAX_FIELDS} are allowed"):
        check_addable([Field(f"n{at}", "int") for at in range(MAX_FIELDS)], schema)
    check_addable([Field("y", "int")], schema)


def test_an_unknown_field_is_told_with_those_there_are() -> None:
    """Whoever misspells a field sees the right one, and the command that makes one."""
    fields = fields_of(schema_with(Field("price", "float")))
    assert Field("price", "float") == find_field(fields, "price")
    with pytest.raises(
        FieldUnknown, match=r"filter.field: there is no field 'prize': .* price:float; `vilem index fields"
    ):
        find_field(fields, "prize", "filter.field")
    with pytest.raises(FieldUnknown) as error:
        find_field(fields, "x" * 100_000)
    assert len(str(error.value)) < 1_000
