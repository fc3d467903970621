"""Five captions of a scene, in different words and detail: a list, relations, a count, a brief one, a negation.

Each caption keeps the statements it makes, so that it can be checked against any scene and edited into a false one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from models.scenes.grammar import COLOURS, SHAPES, Pattern, Scene, SceneObject, Size
from models.scenes.statements import Counted, Description, Direction, Has, On, Related, Statement, stands

Kind = Literal["list", "relations", "count", "brief", "negation"]
KINDS: tuple[Kind, ...] = ("list", "relations", "count", "brief", "negation")

PLACES = (
    "at the top left", "at the top", "at the top right",
    "on the left", "in the center", "on the right",
    "at the bottom left", "at the bottom", "at the bottom right",
)  # fmt: skip
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
SIDES: dict[Direction, tuple[str, ...]] = {
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
    "above": ("above", "higher than"),
    "below": ("below", "lower than"),
}


@dataclass(frozen=True)
class Caption:
    """A caption's text, what it says, and how it was worded (*kind* and *style* word the same statements again)."""

    text: str
    kind: Kind
    style: int
    statements: tuple[Statement, ...]


def describe(scene: Scene, rng: np.random.Generator) -> tuple[Caption, ...]:
    """The five captions, one of each kind, all true of the scene."""
    return tuple(_caption(kind, int(rng.integers(2)), _SAY[kind](scene, rng)) for kind in KINDS)


def word(kind: Kind, style: int, statements: tuple[Statement, ...]) -> str:
    """Word statements in the manner of a kind; *style* chooses among turns of phrase.

    The same kind and style word an edited caption exactly as the original, but for what was edited.
    """
    ground = " ".join(_phrase(each, style) for each in statements if isinstance(each, On))
    rest = [_phrase(each, style) for each in statements if not isinstance(each, On)]
    joined = _enumerate(rest) if kind != "relations" else "; ".join(rest)
    opening = _OPENINGS[kind][style]
    return opening.format(rest=joined, ground=ground)


_OPENINGS: dict[Kind, tuple[str, str]] = {
    "list": ("{rest} on a {ground} background", "a {ground} picture that shows {rest}"),
    "relations": ("{rest}; the background is {ground}", "on {ground}: {rest}"),
    "count": ("{rest}, nothing else, on {ground}", "a {ground} scene with exactly {rest}"),
    "brief": ("{rest}, {ground} background", "{rest} on {ground}"),
    "negation": ("{rest} on a {ground} background", "a {ground} background with {rest}"),
}


def _caption(kind: Kind, style: int, statements: tuple[Statement, ...]) -> Caption:
    return Caption(word(kind, style, statements), kind, style, statements)


def _phrase(statement: Statement, style: int) -> str:
    if isinstance(statement, On):
        return statement.background
    if isinstance(statement, Has):
        return _noun(statement.what, "a")
    if isinstance(statement, Related):
        side = SIDES[statement.direction][style]
        return f"{_noun(statement.what, 'a')} {side} {_noun(statement.other, 'a')}"
    return _noun(statement.what, NUMBERS[statement.count], plural=statement.count > 1)


def _noun(what: Description, article: str, *, plural: bool = False) -> str:
    words = [each for each in (what.size, what.pattern, what.colour) if each] + [what.shape or "object"]
    if plural:
        words[-1] = {"cross": "crosses"}.get(words[-1], words[-1] + "s")
    if article == "a" and words[0][0] in "aeiou":
        article = "an"
    place = [PLACES[what.cell]] if what.cell is not None else []
    return " ".join([article, *words, *place])


def _enumerate(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def _shuffled(scene: Scene, rng: np.random.Generator) -> list[SceneObject]:
    return [scene.objects[int(place)] for place in rng.permutation(len(scene.objects))]


def _say_list(scene: Scene, rng: np.random.Generator) -> tuple[Statement, ...]:
    objects = _shuffled(scene, rng)
    said = [
        Has(Description(each.shape, each.colour, each.size, each.pattern, each.cell))
        if len(objects) < 4
        else Has(Description(each.shape, each.colour, each.size, cell=each.cell))
        for each in objects
    ]
    return (*said, On(scene.background))


def _say_relations(scene: Scene, rng: np.random.Generator) -> tuple[Statement, ...]:
    objects = _shuffled(scene, rng)
    if len(objects) == 1:
        return _say_list(scene, rng)
    said = [
        Related(_named(first), _direction(first, second, rng), _named(second)) for first, second in pairwise(objects)
    ]
    return (*said, On(scene.background))


def _named(each: SceneObject) -> Description:
    return Description(each.shape, each.colour, pattern=each.pattern)


def _direction(first: SceneObject, second: SceneObject, rng: np.random.Generator) -> Direction:
    possible: list[Direction] = [side for side in ("left", "right", "above", "below") if stands(first, side, second)]
    return possible[int(rng.integers(len(possible)))]


def _say_count(scene: Scene, rng: np.random.Generator) -> tuple[Statement, ...]:
    """How many of each shape, with what else is needed to tell the scene from others."""
    total = Counted(len(scene.objects), Description())
    said: list[Statement] = []
    for each in _shuffled(scene, rng):
        alike = Description(each.shape, each.colour, *_detail(scene, each))
        counted = Counted(len(alike.matches(scene)), alike)
        if counted not in said:
            said.append(counted)
    return (*([total] if len(scene.objects) > 1 else []), *said, On(scene.background))


def _detail(scene: Scene, each: SceneObject) -> tuple[Size | None, Pattern | None, int | None]:
    few = len(scene.objects) < 3
    return (each.size if few else None, each.pattern if few else None, each.cell if len(scene.objects) == 1 else None)


def _say_brief(scene: Scene, rng: np.random.Generator) -> tuple[Statement, ...]:
    few = len(scene.objects) < 3
    said = [
        Has(Description(each.shape, each.colour, each.size if few else None, each.pattern if few else None,
                        each.cell if len(scene.objects) == 1 else None))
        for each in _shuffled(scene, rng)
    ]  # fmt: skip
    return (*said, On(scene.background))


def _say_negation(scene: Scene, rng: np.random.Generator) -> tuple[Statement, ...]:
    shapes = [lacking for shape in SHAPES if not (lacking := Description(shape=shape)).matches(scene)]
    colours = [lacking for colour in COLOURS if not (lacking := Description(colour=colour)).matches(scene)]
    absent = [
        Counted(0, shapes[int(rng.integers(len(shapes)))]),
        Counted(0, colours[int(rng.integers(len(colours)))]),
    ]
    objects = _shuffled(scene, rng)
    said = [Has(Description(each.shape, each.colour, each.size, cell=each.cell)) for each in objects]
    return (*said, absent[int(rng.integers(2))], On(scene.background))


_SAY: dict[Kind, Callable[[Scene, np.random.Generator], tuple[Statement, ...]]] = {
    "list": _say_list,
    "relations": _say_relations,
    "count": _say_count,
    "brief": _say_brief,
    "negation": _say_negation,
}
