"""Untrusted bytes become an upright RGB image, within limits that are checked before memory is taken.

Only formats that hold pixels in one file are tried; nothing here starts another program or opens another file. The
size comes from the header: a small file that unfolds to gigabytes is refused before its pixels are read.

Alpha is dropped and colour profiles are ignored, because that is what `convert("RGB")` does and what the models were
trained on. See docs/preprocessing.md.
"""

import io
import struct
import warnings
import zlib
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


@dataclass(frozen=True)
class DecodeLimits:
    """What one image may cost.

    Attributes:
        max_bytes: of the file.
        max_pixels: width x height by its header; decoding takes 4 to 15 bytes each (docs/preprocessing.md).
        max_side: width or height. Pillow keeps a pointer for each row, so a column of 1 x 10^8 costs far more than
            its pixels. JPEG and GIF end at 65,535 themselves.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000
    max_side: int = 65_535


def decode(data: bytes, limits: DecodeLimits = DecodeLimits(), *, min_side: int | None = None) -> Image.Image:
    """Decode one image file, the first frame of an animated one; safe to call from many threads.

    Args:
        data: the file's bytes: JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP or PPM.
        limits: refused beyond these.
        min_side: the shorter side that is still needed. A JPEG at least twice that is decoded at 1/2, 1/4 or 1/8 of
            its size, straight from its cosine coefficients. None = full size.

    Returns:
        An RGB image, upright by its EXIF orientation.

    Raises:
        ImageTooLarge: too many bytes or pixels.
        ImageUnreadable: of no known format, truncated or damaged.
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"the image file has {len(data):,} bytes, {limits.max_bytes:,} are allowed: shrink it")
    try:
        image = _open(data)
        _check_size(image.size, limits)
        if min_side is not None:
            _draft(image, min_side)
        image.load()
        turn = _turn(image)
        # the name is given anew, so that the file's own mode and the RGB copy are not held while the latter is turned
        image = _to_rgb(image)
        return image if turn is None else image.transpose(turn)
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
            return factory(io.BytesIO(data), "")
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
        levels = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((levels + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        return Image.fromarray(_eight_bit(np.asarray(image, np.float64))).convert("RGB")
    return image.convert("RGB")


def _eight_bit(levels: np.ndarray) -> np.ndarray:
    """Scale (H, W) numbers without a declared range to 0..255 uint8.

    Numbers are taken for parts of 1 (fractions only), of 255 or of 65,535, whichever is the first to hold them all;
    negative or larger ones are stretched from the least to the greatest. What is not a number counts as the least.
    """
    finite = np.isfinite(levels)
    if not finite.any():
        return np.zeros(levels.shape, np.uint8)
    least, greatest = float(levels[finite].min()), float(levels[finite].max())
    levels = np.where(finite, levels, least)
    tops = (1.0, 255.0, 65_535.0)
    if least >= 0 and greatest <= tops[-1]:
        least, greatest = 0.0, next(top for top in tops if greatest <= top)
    return np.rint((levels - least) * (255 / max(greatest - least, 1e-12))).astype(np.uint8)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What brings *image* upright by its EXIF orientation; TIFF readers have turned theirs already."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:
        # metadata that cannot be read is no reason to refuse the pixels: browsers show such pictures as they lie
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _brief(error: BaseException) -> str:
    return str(error) or type(error).__name__
