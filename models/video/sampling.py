"""Which frames stand for a clip: one of each of n equal segments (Wang et al., Temporal Segment Networks, ECCV 2016).

To compare clips, segments count frames: a clip shorter than n frames shows some of them again, every clip gives n frames,
and a batch of clips is one array. To find a moment in a clip, they are stretches of time, and no frame comes twice.
Positions count frames in the order in which they are shown, and never decrease.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are its moments.

    Attributes:
        every: seconds from one to the next,
        most: unless there were more than so many: then they lie further apart, evenly.
        still_side: longer side of the small picture that is kept of each, pixels.
    """

    every: float = 1.0
    most: int = 128
    still_side: int = 320

    def __post_init__(self) -> None:
        if not self.every > 0 or self.most < 1 or self.still_side < 1:
            raise ValueError(f"{self}: all must be above 0")


def central_positions(count: int, frames: int) -> np.ndarray:
    """The middle frame of each segment: for evaluation, where equal clips shall give equal frames.

    Args:
        count: frames in the clip.
        frames: n, how many to take.

    Returns:
        (n,) int64, in [0, count).

    Raises:
        ValueError: no frame is there or asked for.
    """
    return _at(count, frames, np.full(max(frames, 0), 0.5))


def random_positions(count: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """One frame drawn from each segment: for training, where every epoch shall show others.

    Args and errors as of `central_positions`; *rng* is the only source of chance.
    """
    return _at(count, frames, rng.random(max(frames, 0)))


def moment_positions(times: np.ndarray, keys: np.ndarray, every: float, most: int) -> np.ndarray:
    """Frames that stand for the moments of a clip: one of each of equal stretches of time, none twice.

    A keyframe in the stretch stands for it, the nearest to its middle: it costs one frame to decode, and encoders put
    keyframes where the scene changes. Where there is none, it is the frame that is shown in the middle; a frame that is
    shown through several stretches is one moment.

    Args:
        times: (N,) seconds of each frame, rising from 0.
        keys: (K,) positions of keyframes, rising.
        every: seconds that a stretch lasts at most,
        most: unless there were more than so many of them: then they are longer.

    Returns:
        (m,) int64, rising, 1 <= m <= most.

    Raises:
        ValueError: no frame is there or asked for, or stretches of no length.
    """
    if not len(times) or most < 1 or not every > 0:
        raise ValueError(f"{most} moments, one in {every} s, of a clip of {len(times)} frames: all must be above 0")
    # the last frame is shown as long as the others
    lasts = float(times[-1]) * len(times) / max(len(times) - 1, 1)
    count = int(np.clip(np.ceil(lasts / every), 1, most))
    middles = (np.arange(count) + 0.5) * lasts / count
    positions = np.maximum(np.searchsorted(times, middles, side="right") - 1, 0)
    stretches, nearest = _nearest_keys(times[keys], middles, lasts)
    positions[stretches] = keys[nearest]
    return np.unique(positions)


def _nearest_keys(seconds: np.ndarray, middles: np.ndarray, lasts: float) -> tuple[np.ndarray, np.ndarray]:
    """Which stretches have keyframes, at those *seconds* (K,), and which of these is nearest to each one's middle."""
    stretch = np.minimum((seconds * (len(middles) / max(lasts, 1e-9))).astype(np.int64), len(middles) - 1)
    order = np.lexsort((np.abs(seconds - middles[stretch]), stretch))
    stretches, first = np.unique(stretch[order], return_index=True)
    return stretches, order[first]


def _at(count: int, frames: int, places: np.ndarray) -> np.ndarray:
    """The frames that lie at *places* (n,) in [0, 1) of their segments."""
    if count < 1 or frames < 1:
        raise ValueError(f"{frames} frames of a clip of {count}: both must be at least 1")
    positions = ((np.arange(frames) + places) * count / frames).astype(np.int64)
    # a place just below 1 may round up to the next segment, and past the last there is none
    return np.minimum(positions, count - 1)
