"""What a field is, and which columns of the items hold it.

An item's metadata are free JSON in one column, which stays the source of truth. A field is one key of theirs with one type,
kept in a column of its own. The columns say all there is to know: their names hold the fields' names, their Arrow types
the fields' types. So each version of a dataset tells which fields it has.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args
from urllib.parse import quote, unquote

import pyarrow as pa

from index.errors import FieldInvalid, FieldUnknown
from index.schema import is_control

FieldType = Literal["string", "int", "float", "bool", "datetime", "strings", "geo"]
TYPES: tuple[FieldType, ...] = get_args(FieldType)

# A colon stands in no fixed column's name.
PREFIX = "field:"
_LAT, _LON = "/lat", "/lon"
_ARROW: dict[FieldType, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "datetime": pa.timestamp("us", "UTC"),
    "strings": pa.list_(pa.string()),
}
_FIELD_TYPES: dict[pa.DataType, FieldType] = {arrow: kind for kind, arrow in _ARROW.items()}

MAX_NAME_BYTES = 128
MAX_FIELDS = 256
_DECLARATION = re.compile(rf"(?P<name>.+):(?P<type>{'|'.join(TYPES)})", re.DOTALL)


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        name: the key in the metadata, or the name of a column that every item has (`BUILT_IN`).
        type: what its values are; "strings" is a list of them, "geo" a point on the earth.
    """

    name: str
    type: FieldType

    def __str__(self) -> str:
        return f"{self.name}:{self.type}"

    @property
    def column(self) -> str:
        """Its column; of a point, the latitude's."""
        return next(iter(self.columns()))

    def columns(self) -> dict[str, pa.DataType]:
        """Its columns and their types: one, or latitude and longitude in degrees."""
        if self.name in BUILT_IN:
            return {self.name: pa.string() if self.type == "string" else pa.int32()}
        # a dot would mean a part of a struct; a slash is quoted, so it can set the halves of a point apart
        stem = PREFIX + quote(self.name, safe="").replace(".", "%2E")
        if self.type == "geo":
            return {stem + _LAT: pa.float64(), stem + _LON: pa.float64()}
        return {stem: _ARROW[self.type]}


# What every item has, without a declaration.
BUILT_IN: dict[str, Field] = {
    "id": Field("id", "string"),
    "width": Field("width", "int"),
    "height": Field("height", "int"),
}


def derived_fields(schema: pa.Schema) -> list[Field]:
    """The fields that were added to a dataset of this schema, in its columns' order."""
    return [found for column in schema if (found := _field_of(column)) is not None]


def fields_of(schema: pa.Schema) -> dict[str, Field]:
    """All fields that may be filtered by, by name: the built-in ones, then those that were added."""
    return BUILT_IN | {field.name: field for field in derived_fields(schema)}


def find_field(fields: Mapping[str, Field], name: str, where: str = "") -> Field:
    """The field of that name.

    Args:
        fields: those there are.
        name: the one that is meant.
        where: the place in a request that names it; the error tells it.

    Raises:
        FieldUnknown: there is none; the message lists those there are.
    """
    if name not in fields:
        known = ", ".join(str(field) for field in list(fields.values())[:50])
        raise FieldUnknown(
            f"there is no field {_shown(name)}: the fields are {known}; "
            "`vilem index fields NAME add FIELD:TYPE` makes one of a key of the metadata",
            where,
        )
    return fields[name]


def parse_declaration(text: str) -> Field:
    """The field that "name:type" declares.

    Raises:
        FieldInvalid: no such type, or the name cannot name a field.
    """
    found = _DECLARATION.fullmatch(text)
    if found is None:
        raise FieldInvalid(
            f"{_shown(text)} declares no field: write NAME:TYPE, with one of the types {', '.join(TYPES)}"
        )
    field = Field(found["name"], cast("FieldType", found["type"]))
    if field.name in BUILT_IN:
        raise FieldInvalid(
            f"{field.name} is a field of every item, with the image's own value: it needs no declaration"
        )
    if not is_field_name(field.name):
        raise FieldInvalid(
            f"{_shown(field.name)} cannot name a field: use 1-{MAX_NAME_BYTES} bytes of UTF-8 without control characters"
        )
    return field


def is_field_name(name: str) -> bool:
    """Whether a key of the metadata may become a field."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= MAX_NAME_BYTES and name not in BUILT_IN and not any(map(is_control, name))


def check_addable(new: Iterable[Field], schema: pa.Schema) -> None:
    """Refuse fields that a dataset of this schema cannot take.

    Raises:
        FieldInvalid: one is there already, is named twice, or they are too many.
    """
    there = {field.name: field for field in derived_fields(schema)}
    for field in new:
        if field.name in there:
            raise FieldInvalid(f"there is a field {there[field.name]} already: drop it to give it another type")
        there[field.name] = field
    if len(there) > MAX_FIELDS:
        raise FieldInvalid(f"that would be {len(there)} fields, {MAX_FIELDS} are allowed: add those you filter by")


def _field_of(column: pa.Field) -> Field | None:
    """The field whose first column this is."""
    if not column.name.startswith(PREFIX) or column.name.endswith(_LON):
        return None
    stem = column.name.removeprefix(PREFIX)
    if stem.endswith(_LAT):
        return Field(unquote(stem.removesuffix(_LAT)), "geo")
    kind = "strings" if pa.types.is_list(column.type) else _FIELD_TYPES.get(column.type)
    # a type of a newer ViLEM's: not ours to filter by, nor to write
    return None if kind is None else Field(unquote(stem), kind)


def _shown(name: str) -> str:
    return repr(name if len(name) <= MAX_NAME_BYTES else name[:MAX_NAME_BYTES] + "…")
