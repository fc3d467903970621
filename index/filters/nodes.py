"""A filter that was checked: what it asks of which field, with values of the field's type.

The nodes are immutable and hashable, and filters that were written alike are equal: they may be keys of a cache, beside the
version of the dataset whose fields they name.

Logic has two values. A row without a value in a field meets no condition on that field, and so meets its negation.
"""

from dataclasses import dataclass
from datetime import datetime

from index.fields.types import Field

Scalar = str | int | float | bool | datetime
Ordered = str | int | float | datetime


@dataclass(frozen=True)
class Bound:
    """One end of a range."""

    value: Ordered
    inclusive: bool


@dataclass(frozen=True)
class OneOf:
    """The field's value is one of *values*; of a list field, any of its elements is."""

    field: Field
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Between:
    """The field's value lies between two ends, of which one may be open; texts are ordered by their code points."""

    field: Field
    low: Bound | None
    high: Bound | None


@dataclass(frozen=True)
class Exists:
    """The field has a value; an empty list is one."""

    field: Field


@dataclass(frozen=True)
class HasPart:
    """The text holds *part*, letter for letter."""

    field: Field
    part: str


@dataclass(frozen=True)
class HasPrefix:
    """The text begins with *prefix*, letter for letter."""

    field: Field
    prefix: str


@dataclass(frozen=True)
class Near:
    """The point lies at most *radius_m* metres from (lat, lon), in degrees, along a sphere."""

    field: Field
    lat: float
    lon: float
    radius_m: float


@dataclass(frozen=True)
class And:
    """All parts hold."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Or:
    """At least one part holds."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: "Node"


Leaf = OneOf | Between | Exists | HasPart | HasPrefix | Near
Node = Leaf | And | Or | Not
