"""The grammar of filters: JSON becomes a checked tree, or an error that names the place.

    {"field": "price", "op": "lt", "value": 5}      one condition
    {"and": [F, F]}  {"or": [F, F]}  {"not": F}     conditions put together
    {"price": {"gte": 2, "lt": 5}, "brand": "x"}    short for an "and" of conditions: a value means eq, a list means in
    {"tags": "red"}                                 of a list field: red is one of its elements

An object with one of the keys field, and, or, not is read as the long form, so a field of such a name needs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from index.errors import FilterInvalid
from index.fields.types import Field, find_field
from index.filters.bind import OPERATORS, bind
from index.filters.nodes import And, Node, Not, Or

# A filter that a person writes has a few of each. Deeper ones would only be machines' mistakes, or attacks.
MAX_DEPTH = 16
MAX_NODES = 256
_LONG = ("field", "and", "or", "not")
_CONDITION = {"field", "op", "value"}


def parse_filter(value: JsonValue, fields: Mapping[str, Field], path: str = "filter") -> Node:
    """Check a filter and give each value the type of its field.

    Args:
        value: as it was sent.
        fields: those there are, by name; see `index.fields.types.fields_of`.
        path: where the filter stands, for errors.

    Raises:
        FilterInvalid: it breaks the grammar, or is too large.
        FieldUnknown: it names a field that is not there.
    """
    return _Parser(fields).node(value, path, 1)


@dataclass
class _Parser:
    fields: Mapping[str, Field]
    nodes: int = field(default=0)

    def node(self, value: JsonValue, path: str, depth: int) -> Node:
        """Any form."""
        self._count(path, depth)
        if not isinstance(value, dict) or not value:
            raise FilterInvalid(path, 'a filter is an object like {"field": "price", "op": "lt", "value": 5}')
        long = [key for key in _LONG if key in value]
        if not long:
            return self._short(value, path, depth)
        if len(long) > 1:
            raise FilterInvalid(path, f"{' and '.join(long)} cannot stand in one object: put each into its own")
        if long[0] == "field":
            return self._condition(value, path)
        if len(value) > 1:
            raise FilterInvalid(path, f"beside {long[0]!r} nothing else may stand in the object")
        return self._joined(long[0], value[long[0]], f"{path}.{long[0]}", depth)

    def _joined(self, joint: str, value: JsonValue, path: str, depth: int) -> Node:
        if joint == "not":
            return Not(self.node(value, path, depth + 1))
        if not isinstance(value, list) or not value:
            raise FilterInvalid(path, "this takes a list of at least one filter")
        parts = tuple(self.node(part, f"{path}[{at}]", depth + 1) for at, part in enumerate(value))
        return And(parts) if joint == "and" else Or(parts)

    def _condition(self, value: Mapping[str, JsonValue], path: str) -> Node:
        extra = value.keys() - _CONDITION
        if extra:
            raise FilterInvalid(path, f"{min(extra)[:40]!r} has no place beside field, op and value")
        name, op = value["field"], value.get("op")
        if not isinstance(name, str):
            raise FilterInvalid(f"{path}.field", "this takes the name of a field")
        if not isinstance(op, str):
            raise FilterInvalid(f"{path}.op", f"this takes one of {', '.join(OPERATORS)}")
        if "value" not in value and op != "exists":
            raise FilterInvalid(path, f"{_shown(op)} takes a value")
        found = find_field(self.fields, name, f"{path}.field")
        return _bound(found, op, value.get("value", True), f"{path}.value", f"{path}.op")

    def _short(self, value: Mapping[str, JsonValue], path: str, depth: int) -> Node:
        parts: list[Node] = []
        for name, wanted in value.items():
            at = f"{path}.{_shown(name)}"
            if not isinstance(wanted, dict):
                parts.append(self._bind(name, "in" if isinstance(wanted, list) else "eq", wanted, at))
            elif not wanted:
                raise FilterInvalid(at, 'this takes a value, a list of values, or operators like {"lt": 5}')
            else:
                parts.extend(self._bind(name, op, operand, f"{at}.{_shown(op)}") for op, operand in wanted.items())
            self.nodes += len(wanted) if isinstance(wanted, dict) else 1
            self._count(at, depth)
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _bind(self, name: str, op: str, value: JsonValue, path: str) -> Node:
        return _bound(find_field(self.fields, name, path), op, value, path, path)

    def _count(self, path: str, depth: int) -> None:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise FilterInvalid(path, f"filters may stand in each other at most {MAX_DEPTH} deep: flatten this one")
        if self.nodes > MAX_NODES:
            raise FilterInvalid(path, f"a filter may have at most {MAX_NODES} parts: use `in` for lists of values")


def _shown(key: str) -> str:
    # half a surrogate pair, as JSON may hold it, cannot be written
    return key[:40].encode(errors="backslashreplace").decode()


def _bound(found: Field, op: str, value: JsonValue, path: str, op_path: str) -> Node:
    if value is None:
        raise FilterInvalid(path, "null is no value: rows that have none are found by exists, with the value false")
    return bind(found, op, value, path, op_path)
