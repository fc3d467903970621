"""What can be wrong with a video file.

InputError
├── VideoTooLarge       more bytes, pixels, frames, seconds or decoding than the limits allow
└── VideoUnreadable     not a video, without a picture in it, truncated or damaged
"""

from models.errors import InputError


class VideoTooLarge(InputError):
    """A video exceeds a limit."""


class VideoUnreadable(InputError):
    """Bytes that do not decode to frames."""
