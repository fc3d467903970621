"""Which frames stand for a clip: one of each of n equal segments (Wang et al., Temporal Segment Networks, ECCV 2016).

Positions count frames in the order in which they are shown, and never decrease. A clip shorter than n frames shows some
of them again: every clip gives n frames, and a batch of clips is one array.
"""

import numpy as np


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


def _at(count: int, frames: int, places: np.ndarray) -> np.ndarray:
    """The frames that lie at *places* (n,) in [0, 1) of their segments."""
    if count < 1 or frames < 1:
        raise ValueError(f"{frames} frames of a clip of {count}: both must be at least 1")
    positions = ((np.arange(frames) + places) * count / frames).astype(np.int64)
    # a place just below 1 may round up to the next segment, and past the last there is none
    return np.minimum(positions, count - 1)
