"""An RGB image becomes the pixels of the image tower: `(S, S, 3)` uint8.

The one resize of this project: training, evaluation, the embedding job and the service call it. It gives, pixel for
pixel, what open_clip's evaluation transform gives before its normalisation.
"""

from fractions import Fraction

import numpy as np
from PIL import Image

from models.manifest import Preprocess

# A JPEG is decoded at a fraction of its size so long as it keeps twice the model's input: docs/preprocessing.md holds what that
# does to the embedding.
_DRAFT_FACTOR = 2

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}

# A strip of 1 x 60,000 pixels would be resized to 224 x 13,440,000 before its centre is cut out. Past this many times
# the input's area (a side 64 times the other) only the centre is resized. That is equal up to rounding: Pillow may run
# its two passes in the other order, and holds the box in single precision.
_WHOLE_RESIZE_AREAS = 64


def least_side(spec: Preprocess) -> int:
    """The shorter side, in pixels, that a JPEG is decoded to at least for `prepare`: training sees what serving will."""
    return _DRAFT_FACTOR * spec.size


def prepare(image: Image.Image, spec: Preprocess) -> np.ndarray:
    """Scale and crop *image* to the model's square.

    Args:
        image: mode RGB, any size; see `models.decode`.
        spec: side S, resize mode, interpolation.

    Returns:
        (S, S, 3) uint8, height first, contiguous.
    """
    side = spec.size
    resample = _FILTERS[spec.interpolation]
    if spec.resize == "squash":
        return np.array(_resized(image, (side, side), resample))
    width, height = _shortest(image.size, side)
    # Python's round, half to even, as torchvision's crop
    left, top = round((width - side) / 2), round((height - side) / 2)
    if width * height > _WHOLE_RESIZE_AREAS * side * side:
        return np.array(_centre_only(image, (width, height), (left, top), side, resample))
    scaled = _resized(image, (width, height), resample)
    return np.array(scaled.crop((left, top, left + side, top + side)))


def prepare_part(image: Image.Image, spec: Preprocess, box: tuple[float, float, float, float]) -> np.ndarray:
    """Scale a part of what `prepare` keeps of *image* to the model's square, from the pixels of *image* itself.

    Args:
        image: mode RGB, any size.
        spec: side S, resize mode, interpolation.
        box: left, top, right, bottom of the part, in shares of what is kept: of the middle square, where sides are not
            squashed.

    Returns:
        (S, S, 3) uint8.
    """
    width, height = image.size if spec.resize == "squash" else (min(image.size),) * 2
    left, top = (image.width - width) / 2, (image.height - height) / 2
    part = (left + box[0] * width, top + box[1] * height, left + box[2] * width, top + box[3] * height)
    return np.array(image.resize((spec.size, spec.size), _FILTERS[spec.interpolation], box=part))


def _shortest(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height that bring the shorter side to *side*; the longer one is rounded down, as torchvision does."""
    width, height = size
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def _resized(image: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    return image if image.size == size else image.resize(size, resample)


def _centre_only(
    image: Image.Image, scaled: tuple[int, int], corner: tuple[int, int], side: int, resample: Image.Resampling
) -> Image.Image:
    """Resize the part of *image* that the centre crop of the *scaled* image shows: across, then down."""
    across = Fraction(image.width, scaled[0])
    down = Fraction(image.height, scaled[1])
    left, top = corner
    strip = (float(left * across), 0.0, float((left + side) * across), float(image.height))
    narrowed = image.resize((side, image.height), resample, box=strip)
    return narrowed.resize((side, side), resample, box=(0.0, float(top * down), side, float((top + side) * down)))
