"""A checked filter as an expression that Lance evaluates: values are bound, never text of a query.

Expressions travel as Substrait. What Lance would take for "unknown" is decided here, leaf by leaf: a negation is pushed down
to the leaves, and a negated leaf holds where there is no value. So no `and`, `or` or `not` ever meets an unknown that matters.
"""

from collections.abc import Callable, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from index.fields.types import Field
from index.filters.geo import box, near
from index.filters.nodes import (
    And,
    Between,
    Bound,
    Exists,
    HasPart,
    HasPrefix,
    Leaf,
    Near,
    Node,
    Not,
    OneOf,
    Or,
    Scalar,
)
from index.filters.steering import MOST_FOR_TREE

# A column and the ends of a range: about which part of all rows has a value between them; None where no index would be used
# that is slow for many.
PartOf = Callable[[str, Bound | None, Bound | None], float | None]

# Of a list of values, so many are looked up in the sample: one that is frequent enough to matter is seldom behind them.
_MOST_ASKED = 64
_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def expression(node: Node, part_of: PartOf, *, negated: bool = False) -> pc.Expression:
    """The expression that holds for the rows that *node* asks for, or for all others.

    Args:
        node: without a question for elements of lists, which Substrait has no word for; see `index.filters.rows`.
        part_of: see `PartOf`.
        negated: the others.
    """
    match node:
        case Not(part):
            return expression(part, part_of, negated=not negated)
        case And(parts):
            return join([expression(part, part_of, negated=negated) for part in parts], every=not negated)
        case Or(parts):
            return join([expression(part, part_of, negated=negated) for part in parts], every=negated)
        case leaf:
            return _otherwise(leaf, part_of) if negated else _leaf(leaf, part_of)


def join(parts: Sequence[pc.Expression], *, every: bool) -> pc.Expression:
    """All of *parts*, or any of them."""
    return reduce(lambda one, other: one & other if every else one | other, parts)


def after_prefix(prefix: str) -> str | None:
    """The first text, in the order of code points, that is behind all those that begin with *prefix*; None: there is none."""
    kept = prefix.rstrip(chr(_LAST))
    if not kept:
        return None
    last = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if last in _SURROGATES else last)


def _otherwise(leaf: Leaf, part_of: PartOf) -> pc.Expression:
    """Where *leaf* does not hold, or there is no value."""
    match leaf:
        case Exists(field):
            return _column(field.column, _rest(part_of(field.column, None, None))).is_null()
        case Near():
            # the box would not narrow anything: all that is outside of it counts
            return ~_circle(leaf) | pc.field(leaf.field.column).is_null()
        case Between(field, low, high):
            return _not_between(field, low, high, part_of)
        case HasPrefix(field, prefix):
            return _not_between(field, *_ends(prefix), part_of)
        case OneOf(field, values):
            column = _column(field.column, _rest(_part_of_values(field, values, part_of)))
            return ~_one_of(column, field, values) | column.is_null()
        case HasPart():
            return ~_leaf(leaf, part_of) | pc.field(leaf.field.column).is_null()


def _leaf(leaf: Leaf, part_of: PartOf) -> pc.Expression:
    match leaf:
        case Exists(field):
            return _column(field.column, part_of(field.column, None, None)).is_valid()
        case Near():
            return _near(leaf, part_of)
        case Between(field, low, high):
            return _between(field, field.column, low, high, part_of)
        case HasPrefix(field, prefix):
            return _between(field, field.column, *_ends(prefix), part_of)
        case OneOf(field, values):
            return _one_of(_column(field.column, _part_of_values(field, values, part_of)), field, values)
        case HasPart(field, part):
            return _call("match_substring", pc.field(field.column), part)


def _one_of(column: pc.Expression, field: Field, values: Sequence[Scalar]) -> pc.Expression:
    if not values:
        return pc.scalar(False)
    found, kind = _wide(column, field.columns()[field.column])
    if len(values) == 1:
        return found == pc.scalar(pa.scalar(values[0], kind))
    return found.isin(pa.array(values, kind))


def _part_of_values(field: Field, values: Sequence[Scalar], part_of: PartOf) -> float | None:
    found = 0.0
    for value in values[:_MOST_ASKED]:
        # booleans have no tree
        end = None if isinstance(value, bool) else Bound(value, inclusive=True)
        part = part_of(field.column, end, end)
        if part is None:
            return None
        found += part
    return found


def _between(field: Field, name: str, low: Bound | None, high: Bound | None, part_of: PartOf) -> pc.Expression:
    return _within(_column(name, part_of(name, low, high)), field.columns()[name], low, high)


def _not_between(field: Field, low: Bound | None, high: Bound | None, part_of: PartOf) -> pc.Expression:
    column = _column(field.column, _rest(part_of(field.column, low, high)))
    return ~_within(column, field.columns()[field.column], low, high) | column.is_null()


def _within(column: pc.Expression, kind: pa.DataType, low: Bound | None, high: Bound | None) -> pc.Expression:
    found, kind = _wide(column, kind)
    ends: list[pc.Expression] = []
    if low is not None:
        value = pc.scalar(pa.scalar(low.value, kind))
        ends.append(found >= value if low.inclusive else found > value)
    if high is not None:
        value = pc.scalar(pa.scalar(high.value, kind))
        ends.append(found <= value if high.inclusive else found < value)
    return join(ends, every=True)


def _ends(prefix: str) -> tuple[Bound, Bound | None]:
    after = after_prefix(prefix)
    return Bound(prefix, inclusive=True), None if after is None else Bound(after, inclusive=False)


def _column(name: str, part: float | None) -> pc.Expression:
    """A column; in a form that no index answers, with the same values, where so many rows would be found."""
    column = pc.field(name)
    if part is None or part <= MOST_FOR_TREE:
        return column
    return _call("if_else", column.is_valid(), column, column)


def _rest(part: float | None) -> float | None:
    return None if part is None else 1 - part


def _wide(column: pc.Expression, kind: pa.DataType) -> tuple[pc.Expression, pa.DataType]:
    """Integers with 64 bits, also those of the built-in columns that have 32."""
    return (column.cast(pa.int64(), safe=False), pa.int64()) if kind == pa.int32() else (column, kind)


def _near(circle: Near, part_of: PartOf) -> pc.Expression:
    """The box first, which an index may answer; then the circle, for the rows in it."""
    field = circle.field
    lat, lon = field.columns()
    (south, north), ranges = box(circle)
    lats = _between(field, lat, Bound(south, inclusive=True), Bound(north, inclusive=True), part_of)
    lons = [
        _between(field, lon, Bound(west, inclusive=True), Bound(east, inclusive=True), part_of) for west, east in ranges
    ]
    return lats & join(lons, every=False) & _circle(circle)


def _circle(circle: Near) -> pc.Expression:
    lat, lon = circle.field.columns()
    return near(pc.field(lat), pc.field(lon), circle)


def _call(name: str, *arguments: object) -> pc.Expression:
    # pyarrow makes these functions when it is imported, so no checker knows them
    return getattr(pc, name)(*arguments)
