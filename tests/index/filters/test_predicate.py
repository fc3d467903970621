"""index.filters.predicate: expressions hold for what is asked, and never for the unknown."""

import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.fields.types import Field
from index.filters.nodes import And, Between, Bound, Exists, HasPart, HasPrefix, Node, Not, OneOf, Or
from index.filters.predicate import after_prefix, expression
from tests.index.filters.support import TEXTS

NAME, STOCK = Field("name", "string"), Field("stock", "int")
NAMES: list[str | None] = [*TEXTS, None]
TABLE = pads.dataset(pa.table({"field:name": NAMES, "field:stock": [*range(len(TEXTS)), None]}))
LEAVES = st.sampled_from(
    [
        OneOf(NAME, ("a",)),
        OneOf(NAME, ()),
        OneOf(STOCK, (1, 2, 3)),
        Between(STOCK, Bound(3, inclusive=True), None),
        Exists(NAME),
        HasPart(NAME, "a"),
        HasPrefix(NAME, "a"),
    ]
)
NODES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: Or(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=5,
)


def names(node: Node, *, negated: bool = False, part: float | None = None) -> list[str | None]:
    """What Arrow finds by the expression."""
    return TABLE.to_table(filter=expression(node, lambda *_: part, negated=negated))["field:name"].to_pylist()


@settings(max_examples=60, deadline=None)
@given(NODES)
def test_each_row_matches_or_matches_the_negation(node: Node) -> None:
    """There is no third answer, whether an index is passed by or not."""
    found, others = names(node), names(node, negated=True)
    assert len(NAMES) == len(found) + len(others)
    assert {*NAMES} == {*found, *others} and not {*found} & {*others}
    assert found == names(Not(node), negated=True)
    for part in (0.0, 0.5, 1.0):
        assert (found, others) == (names(node, part=part), names(node, negated=True, part=part))


@pytest.mark.parametrize("prefix", TEXTS)
def test_prefixes_are_ranges(prefix: str) -> None:
    """A prefix holds for the texts that begin with it, at the end of Unicode and beside the surrogates too."""
    assert [text for text in TEXTS if text.startswith(prefix)] == names(HasPrefix(NAME, prefix))


@given(st.text(max_size=3), st.text(max_size=3))
def test_what_is_behind_a_prefix(prefix: str, text: str) -> None:
    """A text lies from the prefix on and before what is behind it, exactly if it begins with the prefix."""
    after = after_prefix(prefix)
    assert text.startswith(prefix) == (prefix <= text and (after is None or text < after))


@pytest.mark.parametrize(
    ("prefix", "after"), [("a", "b"), ("a\U0010ffff", "b"), ("\ud7ff", "\ue000"), ("\U0010ffff", None), ("", None)]
)
def test_the_next_text_is_a_text(prefix: str, after: str | None) -> None:
    """There is no half of a surrogate pair in it, and none behind the last code point."""
    assert after == after_prefix(prefix)


def test_built_in_integers_have_32_bits_and_take_any_value() -> None:
    """A width beyond what its column could hold matches nothing, and breaks nothing."""
    width = Field("width", "int")
    table = pads.dataset(pa.table({"width": pa.array([1, 2], pa.int32())}))

    def widths(node: object) -> list[int]:
        return table.to_table(filter=expression(node, lambda *_: None))["width"].to_pylist()

    assert [2] == widths(OneOf(width, (2, 2**40)))
    assert [] == widths(OneOf(width, (2**40,)))
    assert [1, 2] == widths(Between(width, None, Bound(2**40, inclusive=False)))
