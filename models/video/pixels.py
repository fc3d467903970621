"""A video file becomes the pixels of the image tower: n frames of `(S, S, 3)` uint8, through the one image path."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from models.image import prepare
from models.manifest import Preprocess
from models.video.decode import open_clip
from models.video.limits import VideoLimits
from models.video.sampling import central_positions, random_positions


def clip_pixels(
    source: bytes | Path,
    spec: Preprocess,
    frames: int,
    rng: np.random.Generator | None = None,
    limits: VideoLimits = VideoLimits(),
) -> np.ndarray:
    """Decode and scale *frames* frames of a video; one decoded frame is held at a time.

    Args:
        source: the file's bytes, or where it lies.
        spec: side S, resize mode, interpolation.
        frames: n, one for each segment of the clip.
        rng: draws within the segments, for training; None takes their middles, for evaluation.
        limits: refused beyond these.

    Returns:
        (n, S, S, 3) uint8.

    Raises:
        VideoTooLarge: beyond *limits*.
        VideoUnreadable: not a video, or damaged.
    """
    return np.stack([prepare(image, spec) for image in clip_frames(source, frames, rng, limits)])


def clip_frames(
    source: bytes | Path, frames: int, rng: np.random.Generator | None = None, limits: VideoLimits = VideoLimits()
) -> Iterator[Image.Image]:
    """The same frames as they are decoded, upright RGB images, one at a time; errors as of `clip_pixels`."""
    with open_clip(source, limits) as clip:
        count = clip.count
        yield from clip.read(central_positions(count, frames) if rng is None else random_positions(count, frames, rng))
