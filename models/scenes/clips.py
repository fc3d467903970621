"""Clips of moving scenes: one object crosses the picture, past another that stands still; captions tell which, whither.

A corpus is determined by (split, seed, size), as that of still scenes is (`models.scenes.corpus`), and held-back
combinations of colour and shape stay out of training here too. The edits of a caption need different things to be seen
false: a flipped direction needs the order of the frames, a turned axis or another speed all of them, the rest any one.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from PIL import Image

from models.scenes.grammar import BACKGROUNDS, COLOURS, HELD_BACK, SHAPES, Background, Colour, Shape, Split
from models.scenes.render import GROUND, OVERSAMPLING, Brush, jittered, lit

Heading = Literal["right", "left", "down", "up"]
Side = Literal["above", "below", "left", "right"]
Speed = Literal["slowly", "quickly"]
ClipEdit = Literal[
    "direction-flipped", "axis-turned", "speed-changed", "mover-swapped", "relation-flipped", "colour-replaced"
]

HEADINGS: tuple[Heading, ...] = get_args(Heading)
SPEEDS: tuple[Speed, ...] = get_args(Speed)
CLIP_EDITS: tuple[ClipEdit, ...] = get_args(ClipEdit)
OPPOSITE_HEADING: dict[Heading, Heading] = {"right": "left", "left": "right", "down": "up", "up": "down"}
OPPOSITE_SIDE: dict[Side, Side] = {"above": "below", "below": "above", "left": "right", "right": "left"}

# 2 s, as short as MSR-VTT's shortest shots
FRAMES, RATE = 16, 8
# how many wordings a clip's caption has
STYLES = 3

_SPLIT_NUMBER: dict[Split, int] = {"train": 0, "val": 1, "test": 2}
# in twentieths of the space of clips, as for scenes
_VAL, _TEST, _PARTS = 1, 3, 20
# where the lane of the mover and the place of the other lie, across the direction of movement
_NEAR_EDGE, _FAR_EDGE = 0.26, 0.74
_RADIUS = 0.14
# how much of the way from edge to edge is gone
_REACH: dict[Speed, float] = {"slowly": 0.34, "quickly": 0.72}


@dataclass(frozen=True)
class Thing:
    """An object: what it is; where it is, the clip tells."""

    colour: Colour
    shape: Shape

    def __str__(self) -> str:
        """With its article, as captions have it."""
        return f"{'an' if self.colour[0] in 'aeiou' else 'a'} {self.colour} {self.shape}"


@dataclass(frozen=True)
class ClipScene:
    """*mover* moves, *still* does not, and the mover passes on *side* of it; they differ in colour and in shape."""

    mover: Thing
    still: Thing
    heading: Heading
    speed: Speed
    side: Side
    background: Background

    @property
    def held_back(self) -> bool:
        """Whether it shows a combination that training never shows."""
        return any((each.colour, each.shape) in HELD_BACK for each in (self.mover, self.still))

    def key(self) -> bytes:
        """SHA-256 of the content, in every process."""
        return hashlib.sha256(repr(self).encode()).digest()


@dataclass(frozen=True)
class FalseCaption:
    """A caption of the clip's with one thing changed, which makes it false; *caption* is the number of the true one."""

    text: str
    kind: ClipEdit
    caption: int


@dataclass(frozen=True)
class ClipExample:
    """One example: frames (F, S, S, 3) uint8 at `RATE` a second, what they show, and texts true and false."""

    id: str
    frames: np.ndarray
    scene: ClipScene
    captions: tuple[str, ...]
    negatives: tuple[FalseCaption, ...]


def clip_example(split: Split, number: int, seed: int, size: int = 128, frames: int = FRAMES) -> ClipExample:
    """Example *number* of a corpus of clips."""
    rng = np.random.default_rng([seed, _SPLIT_NUMBER[split], number])
    scene = sample_clip(rng, split)
    captions = tuple(describe_clip(scene, style) for style in range(STYLES))
    return ClipExample(
        f"{split}-{seed}-{number:06d}",
        render_clip(scene, rng, size, frames),
        scene,
        captions,
        false_captions(scene, rng),
    )


def generate_clips(split: Split, count: int, seed: int, size: int = 128, frames: int = FRAMES) -> Iterator[ClipExample]:
    """The first *count* examples of a corpus of clips, one at a time."""
    return (clip_example(split, number, seed, size, frames) for number in range(count))


def clip_split_of(scene: ClipScene) -> Split:
    """The split a clip belongs to: a function of its content; held-back combinations are never in train or val."""
    part = int.from_bytes(scene.key()[:8]) % _PARTS
    if scene.held_back or _VAL <= part < _TEST:
        return "test"
    return "val" if part < _VAL else "train"


def sample_clip(rng: np.random.Generator, split: Split, *, held_back_share: float = 0.3) -> ClipScene:
    """Draw a clip of *split*; of the test clips *held_back_share* show a held-back combination."""
    wants_held_back = split == "test" and rng.random() < held_back_share
    while True:
        scene = _draw(rng)
        if clip_split_of(scene) == split and scene.held_back == wants_held_back:
            return scene


def _draw(rng: np.random.Generator) -> ClipScene:
    first, second = (COLOURS[place] for place in rng.choice(len(COLOURS), 2, replace=False))
    mover, still = (SHAPES[place] for place in rng.choice(len(SHAPES), 2, replace=False))
    heading = HEADINGS[rng.integers(4)]
    sides: tuple[Side, Side] = ("above", "below") if heading in ("left", "right") else ("left", "right")
    return ClipScene(
        Thing(first, mover),
        Thing(second, still),
        heading,
        SPEEDS[rng.integers(2)],
        sides[rng.integers(2)],
        BACKGROUNDS[rng.integers(len(BACKGROUNDS))],
    )


_WAYS: dict[Heading, str] = {
    "right": "from left to right", "left": "from right to left",
    "down": "from top to bottom", "up": "from bottom to top",
}  # fmt: skip
_SIDES: dict[Side, str] = {"above": "above", "below": "below", "left": "to the left of", "right": "to the right of"}


def describe_clip(scene: ClipScene, style: int) -> str:
    """The caption of a clip in one of `STYLES` wordings: the movement; also its speed; also the background."""
    way, where = _WAYS[scene.heading], f"{_SIDES[scene.side]} {scene.still}"
    if style == 0:
        return f"{scene.mover} moves {way} {where}"
    if style == 1:
        return f"{where}, {scene.mover} moves {scene.speed} {way}"
    return f"on a {scene.background} background {scene.mover} {scene.speed} goes {way}, {where}"


def false_captions(scene: ClipScene, rng: np.random.Generator) -> tuple[FalseCaption, ...]:
    """For each caption one false one of each kind that applies: a thing that the caption says, said otherwise.

    Each changed scene differs from the true one in what its caption says, and the two objects in everything that is
    said of them: so it is false, whatever the rest.
    """
    colours = [each for each in COLOURS if each not in (scene.mover.colour, scene.still.colour)]
    other = replace(scene.mover, colour=colours[rng.integers(len(colours))])
    changed: dict[ClipEdit, ClipScene] = {
        "direction-flipped": replace(scene, heading=OPPOSITE_HEADING[scene.heading]),
        "axis-turned": replace(scene, heading=_TURNED[scene.heading][rng.integers(2)]),
        "speed-changed": replace(scene, speed="slowly" if scene.speed == "quickly" else "quickly"),
        "mover-swapped": replace(scene, mover=scene.still, still=scene.mover),
        "relation-flipped": replace(scene, side=OPPOSITE_SIDE[scene.side]),
        "colour-replaced": replace(scene, mover=other),
    }
    return tuple(
        FalseCaption(text, kind, style)
        for style in range(STYLES)
        for kind, edited in changed.items()
        if (text := describe_clip(edited, style)) != describe_clip(scene, style)
    )


_TURNED: dict[Heading, tuple[Heading, Heading]] = {
    "right": ("down", "up"), "left": ("down", "up"), "down": ("right", "left"), "up": ("right", "left"),
}  # fmt: skip


def render_clip(scene: ClipScene, rng: np.random.Generator, size: int = 128, frames: int = FRAMES) -> np.ndarray:
    """Draw a clip.

    Args:
        scene: what to draw.
        rng: jitter, light and grain; hues and light stay the same through a clip, grain is every frame's own.
        size: side S in pixels, at least 64 and even.
        frames: F, at least 1; they divide the whole movement, however many.

    Returns:
        (F, S, S, 3) uint8.
    """
    side = size * OVERSAMPLING
    ground = jittered(GROUND[scene.background], rng, 8)
    mover, still = (
        Brush.of(each.colour, each.shape, "solid", _RADIUS * side, rng) for each in (scene.mover, scene.still)
    )
    wobble = rng.uniform(-0.03, 0.03, 2)
    angle, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.18)
    drawn = np.empty((frames, size, size, 3), np.uint8)
    for number in range(frames):
        canvas = Image.new("RGB", (side, side), ground)
        still.draw(canvas, _scaled(_stand(scene), wobble[::-1], side))
        mover.draw(canvas, _scaled(_reached(scene, number / max(1, frames - 1)), wobble, side))
        small = canvas.resize((size, size), Image.Resampling.BOX)
        drawn[number] = lit(np.asarray(small, np.float32), angle, strength, rng)
    return drawn


def _reached(scene: ClipScene, part: float) -> tuple[float, float]:
    """Centre of the mover, in parts of the picture, when *part* of the time is gone."""
    along = 0.5 + _REACH[scene.speed] * (part - 0.5) * (1 if scene.heading in ("right", "down") else -1)
    across = _NEAR_EDGE if scene.side in ("above", "left") else _FAR_EDGE
    return (along, across) if scene.heading in ("right", "left") else (across, along)


def _stand(scene: ClipScene) -> tuple[float, float]:
    """Centre of the other object: in the middle of the other lane."""
    across = _FAR_EDGE if scene.side in ("above", "left") else _NEAR_EDGE
    return (0.5, across) if scene.heading in ("right", "left") else (across, 0.5)


def _scaled(centre: tuple[float, float], wobble: np.ndarray, side: int) -> tuple[float, float]:
    return (centre[0] + float(wobble[0])) * side, (centre[1] + float(wobble[1])) * side
