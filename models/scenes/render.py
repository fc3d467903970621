"""A scene becomes pixels: antialiased by drawing at four times the size, lit, textured, with a little noise.

Everything that is not in the scene (jitter, light, hues, noise) comes from the generator handed in, so a scene and a
seed give one picture.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from models.scenes.grammar import GRID, Background, Colour, Pattern, Scene, SceneObject, Shape, Size

OVERSAMPLING = 4

PAINT: dict[Colour, tuple[int, int, int]] = {
    "red": (215, 30, 35), "orange": (250, 135, 15), "yellow": (250, 225, 40), "green": (30, 155, 50),
    "cyan": (60, 215, 225), "blue": (30, 75, 225), "purple": (130, 40, 170), "pink": (255, 130, 185),
    "white": (250, 250, 250), "black": (12, 12, 12),
}  # fmt: skip
GROUND: dict[Background, tuple[int, int, int]] = {
    "grey": (128, 128, 128),
    "cream": (226, 214, 180),
    "navy": (40, 48, 92),
    "mint": (150, 200, 170),
    "brown": (110, 78, 55),
}
# radius as a share of the picture's side; a cell is a third of it
RADIUS: dict[Size, float] = {"small": 0.08, "medium": 0.115, "large": 0.155}

Points = list[tuple[float, float]]


def render(scene: Scene, rng: np.random.Generator, size: int = 128) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Draw a scene.

    Args:
        scene: what to draw.
        rng: jitter, light and noise.
        size: side in pixels, at least 64.

    Returns:
        (S, S, 3) uint8, and for each object its box (left, top, right, bottom) in pixels.
    """
    side = size * OVERSAMPLING
    canvas = Image.new("RGB", (side, side), jittered(GROUND[scene.background], rng, 8))
    boxes: list[tuple[int, ...]] = []
    for each in scene.objects:
        centre, radius = _placed(each, rng)
        brush = Brush.of(each.colour, each.shape, each.pattern, radius * side, rng)
        brush.draw(canvas, (centre[0] * side, centre[1] * side))
        edges = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        boxes.append(tuple(min(size, max(0, round(edge * size))) for edge in edges))
    small = canvas.resize((size, size), Image.Resampling.BOX)
    angle, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.18)
    return lit(np.asarray(small, np.float32), angle, strength, rng), boxes


def _placed(each: SceneObject, rng: np.random.Generator) -> tuple[tuple[float, float], float]:
    radius = RADIUS[each.size] * rng.uniform(0.95, 1.05)
    room = max(0.0, 0.5 / GRID - radius)
    x = (each.column + 0.5) / GRID + rng.uniform(-room, room)
    y = (each.row + 0.5) / GRID + rng.uniform(-room, room)
    return (x, y), radius


def jittered(colour: tuple[int, int, int], rng: np.random.Generator, spread: int) -> tuple[int, int, int]:
    """A colour near *colour*: each channel moved by at most *spread*."""
    red, green, blue = (int(np.clip(level + rng.integers(-spread, spread + 1), 0, 255)) for level in colour)
    return red, green, blue


@dataclass(frozen=True)
class Brush:
    """An object as it is painted, wherever that may be: its hue, its strength for each pixel (mode L), its radius."""

    hue: tuple[int, int, int]
    strength: Image.Image
    radius: float

    @classmethod
    def of(cls, colour: Colour, shape: Shape, pattern: Pattern, radius: float, rng: np.random.Generator) -> "Brush":
        """An object of *radius* pixels; *rng* moves its hue a little."""
        box = math.ceil(2 * radius)
        strength = _pattern(pattern, _mask(shape, box), box)
        return cls(jittered(PAINT[colour], rng, 10), strength, radius)

    def draw(self, canvas: Image.Image, centre: tuple[float, float]) -> None:
        """Paint it, its middle at *centre* in pixels."""
        corner = (round(centre[0] - self.radius), round(centre[1] - self.radius))
        canvas.paste(self.hue, corner, self.strength)


def _mask(shape: Shape, box: int) -> Image.Image:
    """The shape's silhouette, mode L, `box` pixels wide."""
    mask = Image.new("L", (box, box), 0)
    draw = ImageDraw.Draw(mask)
    whole = (0, 0, box - 1, box - 1)
    if shape == "circle":
        draw.ellipse(whole, fill=255)
    elif shape == "crescent":
        draw.ellipse(whole, fill=255)
        draw.ellipse((box * 0.3, -box * 0.05, box * 1.2, box * 0.85), fill=0)
    else:
        draw.polygon([(x * (box - 1), y * (box - 1)) for x, y in _outline(shape)], fill=255)
    return mask


def _outline(shape: Shape) -> Points:
    """Corners in the unit square."""
    if shape == "square":
        return [(0.08, 0.08), (0.92, 0.08), (0.92, 0.92), (0.08, 0.92)]
    if shape == "diamond":
        return [(0.5, 0.0), (0.85, 0.5), (0.5, 1.0), (0.15, 0.5)]
    if shape == "arrow":
        return [(0, 0.32), (0.5, 0.32), (0.5, 0.02), (1, 0.5), (0.5, 0.98), (0.5, 0.68), (0, 0.68)]
    if shape == "cross":
        low, high = 0.33, 0.67
        return [(low, 0), (high, 0), (high, low), (1, low), (1, high), (high, high),
                (high, 1), (low, 1), (low, high), (0, high), (0, low), (low, low)]  # fmt: skip
    if shape == "star":
        return _round(10, [1.0, 0.42])
    if shape == "heart":
        return [_heart(2 * math.pi * step / 48) for step in range(48)]
    return _round({"triangle": 3, "hexagon": 6}[shape], [1.0])


def _round(corners: int, radii: list[float]) -> Points:
    turn = 2 * math.pi / corners
    return [
        (
            0.5 + 0.5 * radii[corner % len(radii)] * math.sin(turn * corner),
            0.5 - 0.5 * radii[corner % len(radii)] * math.cos(turn * corner),
        )
        for corner in range(corners)
    ]


def _heart(angle: float) -> tuple[float, float]:
    x = 16 * math.sin(angle) ** 3
    y = 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)
    return 0.5 + x / 34, 0.46 - y / 34


def _pattern(pattern: Pattern, mask: Image.Image, box: int) -> Image.Image:
    """How strongly each pixel of the silhouette is painted, mode L."""
    if pattern == "solid":
        return mask
    if pattern == "outlined":
        # a smaller copy cut out of the middle leaves a rim
        inner = max(1, round(box * 0.62))
        hole = mask.resize((inner, inner), Image.Resampling.BILINEAR)
        rim = mask.copy()
        offset = (box - hole.width) // 2
        rim.paste(0, (offset, offset), hole)
        return rim
    rows, columns = np.mgrid[0:box, 0:box].astype(np.float32) / box
    if pattern == "striped":
        painted = (rows * 4.5) % 1.0 < 0.55
    else:
        # dots are holes in a lattice: the colour stays dominant
        painted = ((rows * 4) % 1.0 - 0.5) ** 2 + ((columns * 4) % 1.0 - 0.5) ** 2 > 0.085
    # gaps keep a tint of the colour, so that the silhouette stays whole
    tint = np.where(painted, 1.0, 0.3)
    return Image.fromarray((np.asarray(mask) * tint).astype(np.uint8))


def lit(pixels: np.ndarray, angle: float, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Light of *strength* from the side that *angle* says, and a little grain that *rng* draws."""
    size = pixels.shape[0]
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    light = 1 + strength * (math.cos(angle) * columns + math.sin(angle) * rows)
    grain = rng.normal(0, rng.uniform(0, 5), pixels.shape).astype(np.float32)
    return np.clip(np.rint(pixels * light[..., None] + grain), 0, 255).astype(np.uint8)
