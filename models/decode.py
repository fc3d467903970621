"""Untrusted bytes become an upright RGB image, within limits that are checked before memory is taken.

Only formats that hold pixels in one file are tried; nothing here starts another program or opens another file. The
size comes from the header: a small file that unfolds to gigabytes is refused before its pixels are read, also where the
header does not tell (`models.unfolding`), and one whose header never ends is given up (`models.metered`).

Alpha is dropped and colour profiles are ignored, because that is what `convert("RGB")` does and what the models were
trained on. See docs/preprocessing.md.
"""

import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from models.errors import ImageTooLarge, ImageUnreadable, InputError
from models.metered import READS, Metered
from models.unfolding import check_header, check_unfolding

# Of files' names, of the formats below.
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff", ".bmp", ".ppm", ".pgm")
)
# Importing a plugin registers it in Image.OPEN, from where _open takes it by these names.
FORMATS = tuple(
    str(plugin.format)
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        AvifImagePlugin.AvifImageFile,
        GifImagePlugin.GifImageFile,
        TiffImagePlugin.TiffImageFile,
        BmpImagePlugin.BmpImageFile,
        PpmImagePlugin.PpmImageFile,
    )
)

# Pillow speaks of odd metadata through Python's warnings. A picture from outside shall not write into our log, and
# `warnings.catch_warnings` is not safe between threads: so the process ignores Pillow's.
warnings.filterwarnings("ignore", module=r"PIL\.")

# What Pillow's readers let escape on damaged files: the first five seen when bytes are flipped (tests), the others
# caught by Pillow's own Image.open or raised in its readers.
_DAMAGE = (
    OSError, SyntaxError, RuntimeError, ValueError, EOFError, TypeError, LookupError, ArithmeticError, AttributeError,
    struct.error, zlib.error,
)  # fmt: skip

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8])

# Pillow reads a BMP's runs of equal pixels in Python, one by one: a picture of 2,000 x 2,000 may have a million.
# So it does a grey PPM of another range than 8 or 16 bits.
_READS = {"BMP": 8 * READS, "PPM": 8 * READS}

# JPEG ends at 65,533 for a segment.
_EXIF_BYTES = 2**18

# Of a picture whose numbers are scaled, so many pixels at a time: numpy takes up to 30 bytes for each.
_STRIP_PIXELS = 2**18


@dataclass(frozen=True)
class DecodeLimits:
    """What one image may cost.

    Attributes:
        max_bytes: of the file.
        max_pixels: width x height by its header; decoding takes 5 to 16 bytes each (docs/preprocessing.md).
        max_side: width or height. Pillow keeps a pointer for each row, so a column of 1 x 10^8 costs far more than
            its pixels. JPEG and GIF end at 65,535 themselves.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000
    max_side: int = 65_535


@dataclass(frozen=True)
class Decoded:
    """An upright RGB image, perhaps smaller than its file's, and the file's own width and height, upright too."""

    image: Image.Image
    size: tuple[int, int]


def decode(data: bytes, limits: DecodeLimits = DecodeLimits(), *, min_side: int | None = None) -> Image.Image:
    """The image of `decode_sized`."""
    return decode_sized(data, limits, min_side=min_side).image


def decode_sized(data: bytes, limits: DecodeLimits = DecodeLimits(), *, min_side: int | None = None) -> Decoded:
    """Decode one image file, the first frame of an animated one; safe to call from many threads.

    Args:
        data: the file's bytes: JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP or PPM.
        limits: refused beyond these.
        min_side: the shorter side that is still needed. A JPEG at least twice that is decoded at 1/2, 1/4 or 1/8 of
            its size, straight from its cosine coefficients. None = full size.

    Returns:
        An RGB image, upright by its EXIF orientation, and the size that it has in full.

    Raises:
        ImageTooLarge: too many bytes or pixels.
        ImageUnreadable: of no known format, truncated or damaged.
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"the image file has {len(data):,} bytes, {limits.max_bytes:,} are allowed: shrink it")
    try:
        image = _open(data)
        width, height = image.size
        _check_size((width, height), limits)
        check_unfolding(image, data, limits.max_pixels)
        if min_side is not None:
            _draft(image, min_side)
        image.load()
        turn = _turn(image)
        # the name is given anew, so that the file's own mode and the RGB copy are not held while the latter is turned
        image = _to_rgb(image)
        size = (height, width) if turn in _SIDEWAYS else (width, height)
        return Decoded(image if turn is None else image.transpose(turn), size)
    except InputError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise ImageTooLarge(f"the image needs too much memory ({error}): shrink it") from error
    except _DAMAGE as error:
        raise ImageUnreadable(
            f"the image is truncated or damaged ({_brief(error)}): save it again with another program"
        ) from error


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header. Not `Image.open`: its own pixel limit is one setting for the whole process, and it warns."""
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        if accept is None or accept(data[:16]) is True:
            check_header(name, data)
            return factory(Metered(data, _READS.get(name, READS)), "")
    raise ImageUnreadable(f"the file is not an image of a known format: send one of {', '.join(FORMATS)}")


def _check_size(size: tuple[int, int], limits: DecodeLimits) -> None:
    width, height = size
    if min(size) < 1:
        raise ImageUnreadable(f"the image is {width} x {height} pixels: it holds nothing")
    if width * height > limits.max_pixels or max(size) > limits.max_side:
        raise ImageTooLarge(
            f"the image is {width:,} x {height:,} pixels, at most {limits.max_pixels:,} in all and "
            f"{limits.max_side:,} on a side are allowed: shrink it"
        )


def _draft(image: ImageFile.ImageFile, min_side: int) -> None:
    """Let a JPEG be decoded at a fraction, so long as its shorter side keeps *min_side* pixels; others ignore it."""
    # draft() takes the largest fraction whose *both* sides hold the size asked for: the shorter one decides.
    image.draft(None, (min_side, min_side))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16"):
        # Pillow's own convert cuts everything above 255: a 16-bit picture becomes white.
        return _grey(image, lambda levels: (levels.astype(np.uint32) + 128) // 257)
    if image.mode in ("I", "F"):
        scale = _scale(image)
        return _grey(image, lambda levels: np.rint((_finite(levels, scale.least) - scale.least) * scale.factor))
    return image.convert("RGB")


def _strips(image: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of a one-channel image, some at a time, with the number of the first: numbers of 8 bytes are made of few."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))


def _grey(image: Image.Image, to_bytes: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    grey = Image.new("L", image.size)
    for top, levels in _strips(image):
        grey.paste(Image.fromarray(to_bytes(levels).astype(np.uint8)), (0, top))
    return grey.convert("RGB")


@dataclass(frozen=True)
class _Scale:
    least: float
    factor: float


def _scale(image: Image.Image) -> _Scale:
    """How numbers without a declared range become 0..255.

    Numbers are taken for parts of 1 (fractions only), of 255 or of 65,535, whichever is the first to hold them all;
    negative or larger ones are stretched from the least to the greatest. What is not a number counts as the least.
    """
    least, greatest = np.inf, -np.inf
    for _, levels in _strips(image):
        finite = levels[np.isfinite(levels)]
        if len(finite):
            least, greatest = min(least, float(finite.min())), max(greatest, float(finite.max()))
    if least > greatest:
        # not one number
        return _Scale(0.0, 0.0)
    tops = (1.0, 255.0, 65_535.0)
    if least >= 0 and greatest <= tops[-1]:
        least, greatest = 0.0, next(top for top in tops if greatest <= top)
    return _Scale(least, 255 / max(greatest - least, 1e-12))


def _finite(levels: np.ndarray, least: float) -> np.ndarray:
    return np.where(np.isfinite(levels), levels.astype(np.float64), least)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings *image* upright by its EXIF orientation; TIFF readers have turned theirs already."""
    if any(len(image.info.get(name, b"")) > _EXIF_BYTES for name in ("exif", "Raw profile type exif")):
        # a tag may claim it all as its numbers, and Pillow makes an object of each; no camera writes so much
        return None
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:
        # metadata that cannot be read is no reason to refuse the pixels: browsers show such pictures as they lie
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _brief(error: BaseException) -> str:
    return str(error) or type(error).__name__
