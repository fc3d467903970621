"""Hard negatives: a caption with one thing changed that makes it false of its scene.

Every edit changes statements, words them as the original was worded, and is kept only if some statement no longer
holds: a negative that is true after all would teach and measure nonsense.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from models.scenes.captions import Caption, word
from models.scenes.grammar import COLOURS, PATTERNS, SHAPES, SIZES, Scene
from models.scenes.statements import OPPOSITE, Counted, Description, Has, Related, Statement, true_of

EditKind = Literal["attribute-swapped", "attribute-replaced", "relation-flipped", "count-changed", "object-swapped"]
EDIT_KINDS: tuple[EditKind, ...] = (
    "attribute-swapped",
    "attribute-replaced",
    "relation-flipped",
    "count-changed",
    "object-swapped",
)
Statements = tuple[Statement, ...]


@dataclass(frozen=True)
class HardNegative:
    """A false caption; `changed` are the positions of the words (split at spaces) that differ from the original."""

    text: str
    kind: EditKind
    caption: int
    changed: tuple[int, ...]


def hard_negatives(scene: Scene, captions: tuple[Caption, ...], rng: np.random.Generator) -> tuple[HardNegative, ...]:
    """For each caption, one negative of each kind of edit that applies to it."""
    return tuple(
        negative
        for number, caption in enumerate(captions)
        for kind in EDIT_KINDS
        if (negative := _negative(scene, caption, number, kind, rng)) is not None
    )


def _negative(
    scene: Scene, caption: Caption, number: int, kind: EditKind, rng: np.random.Generator
) -> HardNegative | None:
    candidates = [edited for edited in _EDITS[kind](caption.statements) if not true_of(edited, scene)]
    if not candidates:
        return None
    edited = candidates[int(rng.integers(len(candidates)))]
    text = word(caption.kind, caption.style, edited)
    return HardNegative(text, kind, number, changed_words(caption.text, text))


def changed_words(original: str, edited: str) -> tuple[int, ...]:
    """Positions in *edited* whose word differs; both must have equally many words."""
    pairs = zip(original.split(), edited.split(), strict=True)
    return tuple(place for place, (before, after) in enumerate(pairs) if before != after)


def _descriptions(statements: Statements) -> list[tuple[int, str, Description]]:
    """Every description: (statement's number, field's name, description); negations are left as they are."""
    found: list[tuple[int, str, Description]] = []
    for number, statement in enumerate(statements):
        if isinstance(statement, Has) or (isinstance(statement, Counted) and statement.count > 0):
            found.append((number, "what", statement.what))
        elif isinstance(statement, Related):
            found += [(number, "what", statement.what), (number, "other", statement.other)]
    return [each for each in found if each[2].shape is not None]


def _with(statements: Statements, changes: list[tuple[int, str, Description]]) -> Statements:
    edited = list(statements)
    for number, field, description in changes:
        edited[number] = replace(edited[number], **{field: description})
    return tuple(edited)


def _swap(statements: Statements, attributes: tuple[str, ...]) -> Iterator[Statements]:
    found = _descriptions(statements)
    for place, (number, field, first) in enumerate(found):
        for other_number, other_field, second in found[place + 1 :]:
            for attribute in attributes:
                mine, theirs = getattr(first, attribute), getattr(second, attribute)
                if mine is not None and theirs is not None and mine != theirs:
                    yield _with(
                        statements,
                        [
                            (number, field, replace(first, **{attribute: theirs})),
                            (other_number, other_field, replace(second, **{attribute: mine})),
                        ],
                    )


def _attributes_swapped(statements: Statements) -> Iterator[Statements]:
    return _swap(statements, ("colour", "pattern", "size"))


def _objects_swapped(statements: Statements) -> Iterator[Statements]:
    return _swap(statements, ("shape",))


def _attribute_replaced(statements: Statements) -> Iterator[Statements]:
    values = {"colour": COLOURS, "shape": SHAPES, "size": SIZES, "pattern": PATTERNS}
    for number, field, description in _descriptions(statements):
        for attribute, choices in values.items():
            if getattr(description, attribute) is not None:
                for value in choices:
                    yield _with(statements, [(number, field, replace(description, **{attribute: value}))])


def _relation_flipped(statements: Statements) -> Iterator[Statements]:
    for number, statement in enumerate(statements):
        if isinstance(statement, Related):
            flipped = replace(statement, direction=OPPOSITE[statement.direction])
            yield (*statements[:number], flipped, *statements[number + 1 :])


def _count_changed(statements: Statements) -> Iterator[Statements]:
    for number, statement in enumerate(statements):
        if isinstance(statement, Counted) and statement.count > 0:
            for count in (statement.count - 1, statement.count + 1):
                if count > 0:
                    changed = replace(statement, count=count)
                    yield (*statements[:number], changed, *statements[number + 1 :])


_EDITS: dict[EditKind, Callable[[Statements], Iterator[Statements]]] = {
    "attribute-swapped": _attributes_swapped,
    "attribute-replaced": _attribute_replaced,
    "relation-flipped": _relation_flipped,
    "count-changed": _count_changed,
    "object-swapped": _objects_swapped,
}
