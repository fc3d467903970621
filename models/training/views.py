"""How a picture is looked at in training: a crop, a mirror, other light; of a clip, which frames. Drawn first, applied where it is decoded."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from models.image import prepare, prepare_part
from models.manifest import Preprocess

WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class View:
    """One way to look at a picture.

    Attributes:
        box: left, top, right, bottom of the crop, in shares of the width and height.
        mirrored: left and right change places.
        brightness, contrast, saturation: factors; 1 leaves the picture as it is.
        moment: lot in [0, 1) that draws the frames of a clip; None for the middle of each of its segments.
    """

    box: tuple[float, float, float, float] = WHOLE
    mirrored: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    moment: float | None = None


def look(image: Image.Image, view: View, side: int) -> np.ndarray:
    """See an RGB *image*, prepared already, through *view*, as (S, S, 3) uint8 of side *side*."""
    left, top, right, bottom = view.box
    box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
    return _lit(image.resize((side, side), Image.Resampling.BICUBIC, box=box), view)


def look_at_file(image: Image.Image, view: View, spec: Preprocess) -> np.ndarray:
    """See an RGB *image* as its file holds it through *view*, as (S, S, 3) uint8; no view has more than `prepare` keeps."""
    seen = prepare(image, spec) if view.box == WHOLE else prepare_part(image, spec, view.box)
    return _lit(Image.fromarray(seen), view)


def _lit(seen: Image.Image, view: View) -> np.ndarray:
    if view.mirrored:
        seen = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for enhance, factor in (
        (ImageEnhance.Brightness, view.brightness),
        (ImageEnhance.Contrast, view.contrast),
        (ImageEnhance.Color, view.saturation),
    ):
        if factor != 1.0:
            seen = enhance(seen).enhance(factor)
    return np.array(seen)
