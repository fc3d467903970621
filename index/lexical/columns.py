"""Fields of the metadata whose texts are searched by words, by the names that a request gives them."""

from collections.abc import Sequence

import pyarrow as pa

from index.errors import FieldUnknown
from index.fields.types import Field, fields_of, find_field
from index.lexical.search import CAPTIONS


def text_columns(schema: pa.Schema, names: Sequence[str], where: str = "") -> tuple[str, ...]:
    """The columns that `search_texts` is asked for, each once.

    Args:
        schema: of the items.
        names: "captions", or fields that hold strings.
        where: the place in a request that names them; the error tells it.

    Raises:
        FieldUnknown: one of *names* is no such field; the message lists those there are.
    """
    fields = fields_of(schema)
    return tuple(
        dict.fromkeys(CAPTIONS if name == CAPTIONS else _text_field(fields, name, where).column for name in names)
    )


def _text_field(fields: dict[str, Field], name: str, where: str) -> Field:
    field = find_field(fields, name, where)
    if field.type != "string":
        texts = ", ".join([CAPTIONS, *(each.name for each in fields.values() if each.type == "string")])
        raise FieldUnknown(f"{field} holds no text to search by words: those that do are {texts}", where)
    return field
