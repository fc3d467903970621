"""Stored pictures for the page: their media type, and thumbnails."""

import io

from PIL import Image

from models.decode import DecodeLimits, decode

THUMBNAIL_TYPE = "image/jpeg"
_QUALITY = 82

# first bytes → media type, of what `models.decode` reads
_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)


def media_type(data: bytes) -> str:
    """The media type of an image file by its first bytes; `application/octet-stream` for all others."""
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return "application/octet-stream"


def thumbnail(data: bytes, side: int, limits: DecodeLimits) -> bytes:
    """A JPEG whose longer side has at most *side* pixels.

    Raises:
        ImageTooLarge, ImageUnreadable: as `models.decode.decode`.
    """
    picture = decode(data, limits, min_side=side)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
