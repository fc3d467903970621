"""What exists in a rendered scene: shapes, colours, sizes, patterns, places, backgrounds; and how one is drawn by lot.

A scene is a value: two scenes with equal fields are the same scene. Splits are a function of that value, so they share
none, whatever the seeds. Some colour-shape pairs never occur in training: what a model does with them is generalisation.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np

T = TypeVar("T")
Shape = Literal["circle", "square", "triangle", "star", "diamond", "hexagon", "cross", "heart", "arrow", "crescent"]
Colour = Literal["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black"]
Size = Literal["small", "medium", "large"]
Pattern = Literal["solid", "striped", "dotted", "outlined"]
Background = Literal["grey", "cream", "navy", "mint", "brown"]
Split = Literal["train", "val", "test"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
COLOURS: tuple[Colour, ...] = get_args(Colour)
SIZES: tuple[Size, ...] = get_args(Size)
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)
BACKGROUNDS: tuple[Background, ...] = get_args(Background)

GRID = 3
MAX_OBJECTS = 5

# ten of the hundred pairs, each colour and each shape once: both are well known from other pairs
HELD_BACK = frozenset((colour, SHAPES[(3 * place + 1) % len(SHAPES)]) for place, colour in enumerate(COLOURS))

# In twentieths of the space of scenes.
_VAL, _TEST, _PARTS = 1, 3, 20


@dataclass(frozen=True, order=True)
class SceneObject:
    """One object; `cell` counts the places of the 3 x 3 grid, row by row from the top left."""

    cell: int
    shape: Shape
    colour: Colour
    size: Size
    pattern: Pattern

    @property
    def row(self) -> int:
        """0 top, 1 middle, 2 bottom."""
        return self.cell // GRID

    @property
    def column(self) -> int:
        """0 left, 1 middle, 2 right."""
        return self.cell % GRID

    @property
    def held_back(self) -> bool:
        """Whether training never shows this colour on this shape."""
        return (self.colour, self.shape) in HELD_BACK


@dataclass(frozen=True)
class Scene:
    """One to five objects in different cells, sorted by cell, on a background."""

    objects: tuple[SceneObject, ...]
    background: Background

    @property
    def held_back(self) -> bool:
        """Whether it shows a combination that training never shows."""
        return any(each.held_back for each in self.objects)

    def key(self) -> bytes:
        """SHA-256 of the content: equal for equal scenes, in every process."""
        return hashlib.sha256(repr((self.objects, self.background)).encode()).digest()


def split_of(scene: Scene) -> Split:
    """The split a scene belongs to: a function of its content; held-back combinations are never in train or val."""
    part = int.from_bytes(scene.key()[:8]) % _PARTS
    if scene.held_back or _VAL <= part < _TEST:
        return "test"
    return "val" if part < _VAL else "train"


def sample_scene(rng: np.random.Generator, split: Split, *, held_back_share: float = 0.3) -> Scene:
    """Draw a scene of *split*.

    Args:
        rng: the only source of chance.
        split: which split's scenes to draw from.
        held_back_share: in test, the share of scenes with a held-back combination.
    """
    wants_held_back = split == "test" and rng.random() < held_back_share
    count = int(rng.integers(1, MAX_OBJECTS + 1))
    while True:
        scene = _draw(rng, count)
        if split_of(scene) == split and scene.held_back == wants_held_back:
            return scene


def _draw(rng: np.random.Generator, count: int) -> Scene:
    cells = sorted(int(cell) for cell in rng.choice(GRID * GRID, count, replace=False))
    objects = tuple(
        SceneObject(cell, _pick(rng, SHAPES), _pick(rng, COLOURS), _pick(rng, SIZES), _pick(rng, PATTERNS))
        for cell in cells
    )
    return Scene(objects, _pick(rng, BACKGROUNDS))


def _pick(rng: np.random.Generator, values: tuple[T, ...]) -> T:
    return values[int(rng.integers(len(values)))]
