"""What a caption says, apart from its words: statements that hold of a scene or do not.

Captions are worded from statements and edits change statements, so whether an edited caption is false is decided here,
by looking at the scene, and not by guessing from words.
"""

from dataclasses import dataclass
from typing import Literal

from models.scenes.grammar import Background, Colour, Pattern, Scene, SceneObject, Shape, Size

Direction = Literal["left", "right", "above", "below"]

OPPOSITE: dict[Direction, Direction] = {"left": "right", "right": "left", "above": "below", "below": "above"}


@dataclass(frozen=True)
class Description:
    """Some attributes of an object; None leaves one open."""

    shape: Shape | None = None
    colour: Colour | None = None
    size: Size | None = None
    pattern: Pattern | None = None
    cell: int | None = None

    def fits(self, each: SceneObject) -> bool:
        """Whether the object has every attribute that is said."""
        said = (self.shape, self.colour, self.size, self.pattern, self.cell)
        has = (each.shape, each.colour, each.size, each.pattern, each.cell)
        return all(want is None or want == got for want, got in zip(said, has, strict=True))

    def matches(self, scene: Scene) -> list[SceneObject]:
        """The scene's objects that fit."""
        return [each for each in scene.objects if self.fits(each)]


@dataclass(frozen=True)
class Has:
    """There is such an object."""

    what: Description

    def holds(self, scene: Scene) -> bool:
        """Whether it is true of the scene."""
        return bool(self.what.matches(scene))


@dataclass(frozen=True)
class Related:
    """One such object stands left of, right of, above or below another one."""

    what: Description
    direction: Direction
    other: Description

    def holds(self, scene: Scene) -> bool:
        """Whether it is true of some pair of objects in the scene."""
        return any(
            stands(first, self.direction, second)
            for first in self.what.matches(scene)
            for second in self.other.matches(scene)
        )


@dataclass(frozen=True)
class Counted:
    """There are exactly so many such objects; zero is a negation."""

    count: int
    what: Description

    def holds(self, scene: Scene) -> bool:
        """Whether it is true of the scene."""
        return self.count == len(self.what.matches(scene))


@dataclass(frozen=True)
class On:
    """The background has this colour."""

    background: Background

    def holds(self, scene: Scene) -> bool:
        """Whether it is true of the scene."""
        return self.background == scene.background


Statement = Has | Related | Counted | On


def stands(first: SceneObject, direction: Direction, second: SceneObject) -> bool:
    """Whether *first* is on that side of *second*, by the grid's rows or columns."""
    if direction == "left":
        return first.column < second.column
    if direction == "right":
        return first.column > second.column
    if direction == "above":
        return first.row < second.row
    return first.row > second.row


def true_of(statements: tuple[Statement, ...], scene: Scene) -> bool:
    """Whether every statement holds."""
    return all(statement.holds(scene) for statement in statements)
