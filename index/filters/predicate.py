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
from index.filters.nodes import And, Between, Bound, Exists, HasPart, HasPrefix, Leaf, Near, Node, Not, OneOf, Or

# A column and the ends of a range: whether it holds so many rows that an index over the column would only cost time.
Holds = Callable[[str, Bound | None, Bound | None], bool]

_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def expression(node: Node, holds_many: Holds, *, negated: bool = False) -> pc.Expression:
    """The expression that holds for the rows that *node* asks for, or for all others.

    Args:
        node: without a question for elements of lists, which Substrait has no word for; see `index.filters.rows`.
        holds_many: see `Holds`.
        negated: the others.
    """
    match node:
        case Not(part):
            return expression(part, holds_many, negated=not negated)
        case And(parts):
            return join([expression(part, holds_many, negated=negated) for part in parts], every=not negated)
        case Or(parts):
            return join([expression(part, holds_many, negated=negated) for part in parts], every=negated)
        case leaf:
            return _otherwise(leaf, holds_many) if negated else _leaf(leaf, holds_many)


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


def _otherwise(leaf: Leaf, holds_many: Holds) -> pc.Expression:
    missing = pc.field(leaf.field.column).is_null()
    if isinstance(leaf, Exists):
        return missing
    if isinstance(leaf, Near):
        # the box would not narrow anything: all that is outside of it counts
        return ~_circle(leaf) | missing
    return ~_leaf(leaf, holds_many) | missing


def _leaf(leaf: Leaf, holds_many: Holds) -> pc.Expression:
    column = leaf.field.column
    match leaf:
        case OneOf(field, values):
            return _one_of(field, values)
        case Between(field, low, high):
            return _between(field, column, low, high, holds_many)
        case Exists():
            return pc.field(column).is_valid()
        case HasPart(_, part):
            return _call("match_substring", pc.field(column), part)
        case HasPrefix(field, prefix):
            after = after_prefix(prefix)
            high = None if after is None else Bound(after, inclusive=False)
            return _between(field, column, Bound(prefix, inclusive=True), high, holds_many)
        case Near():
            return _near(leaf, holds_many)


def _one_of(field: Field, values: Sequence[object]) -> pc.Expression:
    if not values:
        return pc.scalar(False)
    column, kind = _typed(field, field.column)
    if len(values) == 1:
        return column == pc.scalar(pa.scalar(values[0], kind))
    return column.isin(pa.array(values, kind))


def _typed(field: Field, column: str) -> tuple[pc.Expression, pa.DataType]:
    """A column and its type; integers have 64 bits, also those of the built-in columns that have 32."""
    kind = field.columns()[column]
    if kind == pa.int32():
        return pc.field(column).cast(pa.int64(), safe=False), pa.int64()
    return pc.field(column), kind


def _between(field: Field, column: str, low: Bound | None, high: Bound | None, holds_many: Holds) -> pc.Expression:
    found, kind = _typed(field, column)
    if holds_many(column, low, high):
        # the same value, in a form that no index answers
        found = _call("if_else", found.is_valid(), found, found)
    ends: list[pc.Expression] = []
    if low is not None:
        value = pc.scalar(pa.scalar(low.value, kind))
        ends.append(found >= value if low.inclusive else found > value)
    if high is not None:
        value = pc.scalar(pa.scalar(high.value, kind))
        ends.append(found <= value if high.inclusive else found < value)
    return join(ends, every=True)


def _near(circle: Near, holds_many: Holds) -> pc.Expression:
    """The box first, which an index may answer; then the circle, for the rows in it."""
    lat, lon = circle.field.columns()
    (south, north), ranges = box(circle)
    within = [_within(circle.field, lon, west, east, holds_many) for west, east in ranges]
    return _within(circle.field, lat, south, north, holds_many) & join(within, every=False) & _circle(circle)


def _within(field: Field, column: str, low: float, high: float, holds_many: Holds) -> pc.Expression:
    return _between(field, column, Bound(low, inclusive=True), Bound(high, inclusive=True), holds_many)


def _circle(circle: Near) -> pc.Expression:
    lat, lon = circle.field.columns()
    return near(pc.field(lat), pc.field(lon), circle)


def _call(name: str, *arguments: object) -> pc.Expression:
    # pyarrow makes these functions when it is imported, so no checker knows them
    return getattr(pc, name)(*arguments)
