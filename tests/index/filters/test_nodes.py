"""index.filters.nodes: trees are values."""

from dataclasses import FrozenInstanceError

import pytest

from index.fields.types import Field
from index.filters.nodes import And, Between, Bound, Exists, Near, Not, OneOf, Or

PRICE, PLACE = Field("price", "float"), Field("place", "geo")


def test_trees_are_equal_by_what_they_say() -> None:
    """Equal trees are one key, and a difference anywhere makes another."""

    def tree(inclusive: bool, kind: str = "float") -> And:
        price = Field("price", kind)  # pyright: ignore[reportArgumentType]
        low = Between(price, Bound(1.0, inclusive=inclusive), None)
        return And((low, Or((Not(Exists(price)), OneOf(price, (2.0,)), Near(PLACE, 1.0, 2.0, 3.0)))))

    assert {tree(inclusive=True): 1} == {tree(inclusive=True): 1}
    assert 3 == len({tree(inclusive=True), tree(inclusive=False), tree(inclusive=True, kind="int")})


def test_trees_do_not_change() -> None:
    """A key that changed would be lost."""
    with pytest.raises(FrozenInstanceError):
        Exists(PRICE).field = PLACE  # pyright: ignore[reportAttributeAccessIssue]
