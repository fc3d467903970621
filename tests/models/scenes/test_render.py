"""Scenes as pixels."""

import numpy as np
import pytest

from models.scenes.grammar import COLOURS, PATTERNS, SHAPES, Pattern, Scene, SceneObject, Shape
from models.scenes.render import GROUND, PAINT, render


def drawn(*objects: SceneObject, seed: int = 0, size: int = 128) -> np.ndarray:
    """The picture of some objects on grey."""
    return render(Scene(tuple(objects), "grey"), np.random.default_rng(seed), size)[0]


def one(shape: Shape = "circle", pattern: Pattern = "solid", cell: int = 4) -> SceneObject:
    """A large red object."""
    return SceneObject(cell, shape, "red", "large", pattern)


@pytest.mark.parametrize("size", [64, 128, 200])
def test_shape_and_type(size: int) -> None:
    """A picture is square, of the size asked for, uint8 RGB."""
    picture = drawn(one(), size=size)

    assert (size, size, 3) == picture.shape
    assert np.uint8 == picture.dtype


def test_equal_seeds_draw_equal_pictures() -> None:
    """Scene and seed determine every pixel; another seed draws another picture."""
    assert np.array_equal(drawn(one(), seed=3), drawn(one(), seed=3))
    assert not np.array_equal(drawn(one(), seed=3), drawn(one(), seed=4))


def test_shapes_and_patterns_look_different() -> None:
    """No two shapes, and no two patterns, give the same picture from one seed."""
    pictures = [drawn(one(shape, pattern)) for shape in SHAPES for pattern in PATTERNS]

    for place, first in enumerate(pictures):
        for second in pictures[:place]:
            assert (np.abs(first.astype(int) - second) > 40).any(axis=2).sum() > 30


def test_colours_are_far_apart() -> None:
    """Any two colours, and any colour and background, differ by at least 60 in some channel."""
    paints = [PAINT[colour] for colour in COLOURS]
    for place, first in enumerate(paints):
        for second in [*paints[:place], *GROUND.values()]:
            assert max(abs(a - b) for a, b in zip(first, second, strict=True)) >= 60


def test_edges_are_antialiased() -> None:
    """Along a circle's edge there are pixels between the colours of object and background."""
    red = drawn(one())[..., 0].astype(int)

    between = (red > GROUND["grey"][0] + 20) & (red < PAINT["red"][0] - 20)
    assert between.sum() > 20


@pytest.mark.parametrize("cell", range(9))
def test_boxes_hold_their_objects(cell: int) -> None:
    """The object's colour is inside its box, and its box inside the picture, in the object's cell."""
    scene = Scene((one(cell=cell),), "grey")
    picture, (box,) = render(scene, np.random.default_rng(1))
    left, top, right, bottom = box
    is_red = (picture[..., 0].astype(int) - picture[..., 1]) > 80

    assert 0 <= left < right <= 128
    assert 0 <= top < bottom <= 128
    assert is_red[top:bottom, left:right].sum() >= 0.98 * is_red.sum() > 0
    assert cell == int((top + bottom) / 2 // (128 / 3)) * 3 + int((left + right) / 2 // (128 / 3))
