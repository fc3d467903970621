"""Stored pictures for the page: their media type, and thumbnails."""

import io

from PIL import Image

from models.decode import DecodeLimits, decode

THUMBNAIL_TYPE = "image/jpeg"
# longest side of a thumbnail
MAX_SIDE = 512
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


def video_type(head: bytes) -> str:
    """The media type of a video file by its first hundred bytes; `application/octet-stream` where they do not tell."""
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "video/vnd.avi"
    starts = ((b"OggS", "video/ogg"), (b"FLV", "video/x-flv"), (b"\x47", "video/mp2t"), (b"\0\0\1\xba", "video/mpeg"))
    return next((kind for start, kind in starts if head.startswith(start)), "application/octet-stream")


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
