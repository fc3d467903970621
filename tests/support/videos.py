"""Videos that show one colour of `tests.support.tiny_bundle` after the other."""

import numpy as np

from models.video.encode import Format, encode
from tests.support.tiny_bundle import COLOURS

RATE = 4


def colour_video(*colours: str, seconds: int = 2, form: Format = "mp4", size: tuple[int, int] = (48, 40)) -> bytes:
    """A file that shows each colour for so many seconds, four frames a second, a keyframe a second."""
    levels = np.repeat(np.array([COLOURS[colour] for colour in colours], np.uint8), RATE * seconds, axis=0)
    frames = np.broadcast_to(levels[:, None, None], (len(levels), size[1], size[0], 3))
    return encode(frames, RATE, form, keyframe_every=RATE)
