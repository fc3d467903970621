"""Videos of an embedding job: their hash and their moments, without holding one in memory.

FFmpeg is loaded when the first video is decoded: who indexes pictures, and who serves, needs none.
"""

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast

from index.errors import VideoSupportMissing
from models.manifest import Preprocess
from models.video.limits import VideoLimits
from models.video.sampling import Sampling

if TYPE_CHECKING:
    from models.video.moments import Moments as ReadMoments


def _limits() -> VideoLimits:
    return VideoLimits(max_bytes=16 * 2**30, max_seconds=6 * 3600, max_frames=1_000_000)


@dataclass(frozen=True)
class VideoOptions:
    """How an embedding job takes videos.

    Attributes:
        sampling: which frames are their moments.
        limits: of one video; beyond them it is rejected.
        window: videos read ahead of inference: each holds the pixels of its moments, 19 MB for 128 of side 224.
        keep: a stored video that was taken by one of these is taken so again, whatever *sampling* is.
    """

    sampling: Sampling = field(default_factory=Sampling)
    limits: VideoLimits = field(default_factory=_limits)
    window: int = 3
    keep: tuple[Sampling, ...] = ()

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"window is {self.window}: it must be at least 1")


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 (hex) of an open file, from its beginning."""
    file.seek(0)
    # any file that can be read will do, whatever its type says of other methods
    return hashlib.file_digest(cast("io.BufferedReader", file), "sha256").hexdigest()


def moments_in(file: BinaryIO, spec: Preprocess, options: VideoOptions) -> "ReadMoments":
    """The moments of an open video file.

    Raises:
        VideoSupportMissing: PyAV is not installed.
        VideoTooLarge: beyond the limits.
        VideoUnreadable: not a video, or damaged.
    """
    try:
        from models.video.moments import read_moments
    except ImportError as error:
        raise VideoSupportMissing(
            f"videos are read by PyAV, which is not installed ({error}): pip install 'vilem-search[video]', and run the "
            "same command again"
        ) from error
    return read_moments(file, spec, options.sampling, options.limits)
