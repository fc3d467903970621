"""A video file becomes its moments: frames for the image tower, when each is shown, and a still of each to look at."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from models.image import prepare
from models.manifest import Preprocess
from models.video.decode import Clip, open_clip
from models.video.errors import VideoTooLarge
from models.video.limits import VideoLimits
from models.video.sampling import Sampling, moment_positions

# Fewer than this share of the moments that were asked for would not tell what a video shows.
_LEAST_SHARE = 0.25
_STILL_QUALITY = 80


@dataclass(frozen=True)
class Moments:
    """The moments of one video.

    Attributes:
        pixels: (m, S, S, 3) uint8 for the image tower.
        seconds: (m,) float64, when each is shown, from the first frame on; rising.
        stills: a small JPEG of each.
        size: width and height of the first of them, upright.
        lasts: seconds from the first frame of the video to the last.
    """

    pixels: np.ndarray
    seconds: np.ndarray
    stills: tuple[bytes, ...]
    size: tuple[int, int]
    lasts: float


def read_moments(
    source: bytes | Path | BinaryIO,
    spec: Preprocess,
    sampling: Sampling = Sampling(),
    limits: VideoLimits = VideoLimits(),
) -> Moments:
    """Decode and scale the moments of a video; one decoded frame is held at a time.

    Raises:
        VideoTooLarge: beyond *limits*.
        VideoUnreadable: not a video, or damaged.
    """
    pixels: list[np.ndarray] = []
    stills: list[bytes] = []
    places: list[int] = []
    size = (0, 0)
    with open_clip(source, limits) as clip:
        for place, image in clip.nearest(_affordable(clip, sampling, limits)):
            # where frames are damaged the next good one stands for them, once
            if place in places[-1:]:
                continue
            size = size if places else image.size
            places.append(place)
            pixels.append(prepare(image, spec))
            stills.append(_still(image, sampling.still_side))
        times = clip.times
    seconds = times[np.minimum(places, len(times) - 1)]
    return Moments(np.stack(pixels), seconds, tuple(stills), size, float(times[-1]))


def _affordable(clip: Clip, sampling: Sampling, limits: VideoLimits) -> np.ndarray:
    """The moments' frames; keyframes alone, where decoding all others on the way would cost too much."""
    keys = clip.outline.key_positions
    positions = moment_positions(clip.times, keys, sampling.every, sampling.most)
    allowed = limits.max_decoded_pixels // (clip.size[0] * clip.size[1])
    if clip.outline.packets_to_decode(positions) <= allowed:
        return positions
    cheap = np.intersect1d(positions, keys)
    if len(cheap) < _LEAST_SHARE * len(positions) or clip.outline.packets_to_decode(cheap) > allowed:
        raise VideoTooLarge(
            f"more than {limits.max_decoded_pixels:,} pixels would have to be decoded for {len(positions):,} moments: "
            "encode the video again, smaller or with more keyframes"
        )
    return cheap


def _still(image: Image.Image, side: int) -> bytes:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_STILL_QUALITY)
    return buffer.getvalue()
