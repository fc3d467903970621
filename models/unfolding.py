"""What a file makes its decoder do that its width and height do not tell: tiles, scans, comments, sizes within.

Each is read from the file's own bytes before its pixels are, and costs next to nothing for a picture as cameras, browsers
and editors write them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from PIL import ExifTags, ImageFile
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    EXTRASAMPLES,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
    STRIPBYTECOUNTS,
    STRIPOFFSETS,
    TILEBYTECOUNTS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    X_RESOLUTION,
    Y_RESOLUTION,
    TiffImageFile,
)

from models.avif import coded_pixels
from models.errors import ImageTooLarge, ImageUnreadable

# libjpeg's own script has 10; each of them goes over all coefficients once, and 75 bytes are enough for one
MAX_SCANS = 100
# a tile may be larger than the picture's edge, whose tiles are filled up: so much is nobody's edge
_TILE_SIDE = 1024
# Pillow reads plain PPM in Python, a fifth of a second for a megabyte, and copies its rest at every comment
_PLAIN_BYTES = 8 * 2**20
_PLAIN_COMMENTS = 1000
# frames' pixels beside the picture's
_GRID = 2.5

# Pillow makes an object of 240 bytes for each strip or tile as it opens a TIFF; a row is the least that a strip has
_PIECES = frozenset((STRIPOFFSETS, STRIPBYTECOUNTS, TILEOFFSETS, TILEBYTECOUNTS))
_MAX_PIECES = 2**17
# and reads these, which have one value, or one for each channel
_NUMBERS = frozenset(
    (BITSPERSAMPLE, SAMPLESPERPIXEL, EXTRASAMPLES, SAMPLEFORMAT, X_RESOLUTION, Y_RESOLUTION, ExifTags.Base.Orientation)
)
_MAX_NUMBERS = 64

_START_OF_SCAN, _END = 0xDA, 0xD9
# within a scan FF stands for itself where 00 follows, and for a restart before D0 to D7
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_BIG_TIFF = 43
# markers that no length follows: restarts, start of image, TEM
_BARE = frozenset((*range(0xD0, 0xD9), 0x01))


def check_header(name: str, data: bytes) -> None:
    """See that reading the header of a file of the format *name* costs no more than headers do.

    Raises:
        ImageTooLarge: it does; the message says what to do.
    """
    if name != "TIFF":
        return
    for tag, count in _tags(data):
        most = _MAX_PIECES if tag in _PIECES else _MAX_NUMBERS if tag in _NUMBERS else count
        if count > most:
            raise ImageTooLarge(
                f"the TIFF's tag {tag} has {count:,} values, {most:,} are allowed: save it again in fewer strips or tiles"
            )


def check_unfolding(image: ImageFile.ImageFile, data: bytes, max_pixels: int) -> None:
    """See that a picture whose header was read unfolds to what it says.

    Args:
        image: opened, its pixels not read yet.
        data: its file.
        max_pixels: that may be held at once.

    Raises:
        ImageTooLarge: it does not; the message says what to do.
        ImageUnreadable: that cannot be told, for its structure is damaged.
    """
    check = _CHECKS.get(str(image.format))
    if check is not None:
        check(image, data, max_pixels)


def scans(data: bytes) -> Iterator[int]:
    """Where each scan of a JPEG begins, as libjpeg finds them (ITU T.81, annex B): not within metadata, nor after the end."""
    place = 2
    while (found := _MARKER.search(data, place)) is not None:
        kind, place = data[found.end() - 1], found.end()
        if kind == _END:
            return
        if kind == _START_OF_SCAN:
            yield place
        if kind not in _BARE:
            place += max(2, int.from_bytes(data[place : place + 2]))


def _jpeg(_: ImageFile.ImageFile, data: bytes, __: int) -> None:
    # most have a handful, in metadata too, and are not walked through
    if data.count(b"\xff\xda") <= MAX_SCANS:
        return
    if sum(1 for _ in zip(range(MAX_SCANS + 1), scans(data), strict=False)) > MAX_SCANS:
        raise ImageTooLarge(f"the JPEG has more than {MAX_SCANS} scans: save it again, not progressive")


def _tiff(image: ImageFile.ImageFile, data: bytes, max_pixels: int) -> None:
    assert isinstance(image, TiffImageFile)
    if not {TILEWIDTH, TILELENGTH} & {tag for tag, _ in _tags(data)}:
        return
    width, height = (image.tag_v2.get(tag) for tag in (TILEWIDTH, TILELENGTH))
    # libtiff, which unpacks it, understands more ways to write a number than Pillow does
    if not isinstance(width, int) or not isinstance(height, int):
        raise ImageUnreadable("the TIFF's tiles have no size: save it again without tiles")
    across, down = (max(_TILE_SIDE, side + 15) for side in image.size)
    # a tile is unpacked whole, however little of it the picture shows
    if not (0 < width <= across and 0 < height <= down and width * height <= max(max_pixels, _TILE_SIDE**2)):
        raise ImageTooLarge(
            f"the TIFF is in tiles of {width:,} x {height:,} pixels, larger than itself: save it again without tiles"
        )


def _tags(data: bytes) -> Iterator[tuple[int, int]]:
    """Each tag of a TIFF's first directory, and how many values it has (TIFF 6.0, section 2; BigTIFF has wider fields)."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    large = int.from_bytes(data[2:4], order) == _BIG_TIFF
    start, wide, entry = (8, 8, 20) if large else (4, 4, 12)
    place = int.from_bytes(data[start : start + wide], order)
    counted = 8 if large else 2
    count = int.from_bytes(data[place : place + counted], order)
    first = place + counted
    for at in range(first, min(first + count * entry, len(data)), entry):
        # behind its number and its type
        values = data[at + 4 : at + 4 + wide]
        yield int.from_bytes(data[at : at + 2], order), int.from_bytes(values, order)


def _avif(image: ImageFile.ImageFile, data: bytes, max_pixels: int) -> None:
    pixels = coded_pixels(data)
    # the tiles of a grid and of its alpha are as large as itself, twice; few pixels more fill up their edges
    if pixels > max(max_pixels, _GRID * image.width * image.height):
        raise ImageTooLarge(
            f"the AVIF's frames have {pixels:,} pixels, whatever its header says, and {max_pixels:,} are allowed: shrink it"
        )


def _ppm(_: ImageFile.ImageFile, data: bytes, __: int) -> None:
    if data[:2] in (b"P1", b"P2", b"P3") and (len(data) > _PLAIN_BYTES or data.count(b"#") > _PLAIN_COMMENTS):
        raise ImageTooLarge("the PPM has its pixels as text, and too much of it: save it in another format, PNG say")


# an MPO is a JPEG with others behind it
_CHECKS: Mapping[str, Callable[[ImageFile.ImageFile, bytes, int], None]] = MappingProxyType(
    {"JPEG": _jpeg, "MPO": _jpeg, "TIFF": _tiff, "AVIF": _avif, "PPM": _ppm}
)
