"""What a video file may cost; apart from what reads one, which needs FFmpeg."""

import io
from dataclasses import dataclass
from typing import BinaryIO

from models.video.errors import VideoTooLarge


@dataclass(frozen=True)
class VideoLimits:
    """What one video may cost.

    Attributes:
        max_bytes: of the file. It is read through, and never held as a whole where it comes from a disk.
        max_pixels: width x height of a frame; decoding takes up to 20 bytes each, for each frame that others refer to.
        max_seconds: from the first frame to the last.
        max_frames: in the whole file, whether asked for or not; 10 bytes are kept of each.
        max_decoded_pixels: of all frames decoded for one `Clip.read`, those between a keyframe and the one that is
            asked for included. A core decodes some 10^8 of them a second.
    """

    max_bytes: int = 512 * 2**20
    max_pixels: int = 40_000_000
    max_seconds: float = 3600
    max_frames: int = 250_000
    max_decoded_pixels: int = 20_000_000_000


def check_bytes(file: BinaryIO, limits: VideoLimits) -> None:
    """Refuse an open file that is larger than may be; it stands at its beginning then.

    Raises:
        VideoTooLarge: it is.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > limits.max_bytes:
        raise VideoTooLarge(
            f"the video file has {size:,} bytes, {limits.max_bytes:,} are allowed: shorten or shrink it"
        )
