"""Views of training pictures beside which their captions stay true. The word lists are English.

A mirrored picture is false of "left" and of any writing; other light is false of a colour. So a view is drawn for a
picture and what is asked of it: the very caption that it is shown with, or all of its captions where their words are tags.
"""

import re

import numpy as np

from models.negatives.english import ATTRIBUTE_CLASS
from models.training.parts import AugmentPart
from models.training.views import WHOLE, View

# beginnings of words: leftmost, right-handed, clockwise
_SIDES = ("left", "right", "clockwise", "counterclockwise", "anticlockwise", "east", "west")
# what is written, and what shows it: mirrored writing is none
_WRITING = (
    "text", "letter", "number", "digit", "numeral", "word", "writ", "read", "spell", "say", "said", "sign", "logo",
    "label", "banner", "poster", "billboard", "license", "initial", "print", "graffiti", "clock", "jersey", "menu",
    "newspaper", "headline", "brand", "advert", "slogan",
)  # fmt: skip
_MIRRORS = re.compile(rf"\b(?:{'|'.join((*_SIDES, *_WRITING))})|[0-9\"“”«»]", re.IGNORECASE)
_LIGHT = (
    "colour", "color", "blond", "brunette", "redhead", "dark", "light", "bright", "pale", "vivid", "faded", "neon",
    "shade", "shadow", "sunny", "sunlit", "sunset", "sunrise", "dusk", "dawn", "night", "dim", "tan", "rainbow", "sepia",
)  # fmt: skip
_COLOURS = tuple(sorted(word for word, kind in ATTRIBUTE_CLASS.items() if kind in ("colour", "color")))
# a colour's forms too: greenish, red-haired, whites
_COLOURED = re.compile(rf"\b(?:{'|'.join((*_COLOURS, *_LIGHT))})", re.IGNORECASE)
# the crop's sides differ by so much at most, beside the picture's own
_RATIO = 4 / 3


def may_be_mirrored(caption: str) -> bool:
    """Whether the caption says nothing of sides, writing or numbers."""
    return _MIRRORS.search(caption) is None


def may_change_light(caption: str) -> bool:
    """Whether the caption names no colour and no light."""
    return _COLOURED.search(caption) is None


def draw_view(part: AugmentPart, caption: str, rng: np.random.Generator) -> View:
    """Draw how a picture is looked at beside *caption*, or several on a line each, by the lots of *rng* alone."""
    box = _box(part.crop, rng)
    # always drawn: what is allowed beside one caption does not move the lots of the next
    mirrored = bool(rng.random() < part.mirror)
    light = (float(factor) for factor in rng.uniform(1 - part.jitter, 1 + part.jitter, 3))
    brightness, contrast, saturation = light if may_change_light(caption) else (1.0, 1.0, 1.0)
    # drawn last: what pictures have does not depend on what clips need
    moment = float(rng.random())
    return View(box, mirrored and may_be_mirrored(caption), brightness, contrast, saturation, moment)


def _box(least: float, rng: np.random.Generator) -> tuple[float, float, float, float]:
    area, lot, left, top = rng.uniform(least, 1), rng.uniform(-1, 1), rng.random(), rng.random()
    if least == 1:
        return WHOLE
    # a wider box of that area would not fit
    width = float(np.sqrt(area * min(_RATIO, 1 / area) ** lot))
    height = float(area / width)
    left, top = float(left * max(0.0, 1 - width)), float(top * max(0.0, 1 - height))
    return left, top, min(1.0, left + width), min(1.0, top + height)
