"""Image files for tests: every format and mode that is read, and ways to damage them."""

import functools
import io
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image

# format, mode, what save() is told; all of them keep the picture's colours exactly or nearly so
VARIETIES: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("JPEG", "RGB", {"quality": 95}),
    ("JPEG", "L", {"quality": 95}),
    ("JPEG", "CMYK", {"quality": 95}),
    ("JPEG", "RGB", {"quality": 95, "progressive": True}),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {}),
    ("PNG", "LA", {}),
    ("PNG", "1", {}),
    ("PNG", "I;16", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("AVIF", "RGB", {"quality": 95}),
    ("GIF", "P", {}),
    ("TIFF", "RGB", {"compression": "tiff_deflate"}),
    ("TIFF", "CMYK", {}),
    ("TIFF", "I;16", {}),
    ("TIFF", "F", {}),
    ("BMP", "RGB", {}),
    ("PPM", "RGB", {}),
)


def picture(width: int = 48, height: int = 32, seed: int = 0) -> Image.Image:
    """A smooth RGB picture whose four corners differ, with a little noise."""
    across = np.linspace(0, 255, width)[None, :, None]
    down = np.linspace(0, 255, height)[:, None, None]
    noise = np.random.default_rng(seed).normal(scale=4, size=(height, width, 3))
    levels = across * (1, 0, 0.4) + down * (0, 1, 0.4) + noise
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """*image* in another mode; 16 bits and floats keep its brightness over their whole range."""
    grey = np.asarray(image.convert("L"))
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(grey.astype(np.float32) / 255)
    return image.convert(mode)


def encoded(image: Image.Image, format_name: str = "PNG", **options: object) -> bytes:
    """The bytes of a file of *image*."""
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def variety(number: int, image: Image.Image | None = None) -> bytes:
    """A file of the numbered entry of VARIETIES."""
    format_name, mode, options = VARIETIES[number]
    return encoded(in_mode(image or picture(), mode), format_name, **options)


def animated(format_name: str, frames: int = 3) -> tuple[bytes, Image.Image]:
    """An animation whose frames differ, and its first frame."""
    pictures = [Image.new("RGB", (20, 16), (80 * number, 255 - 80 * number, 40)) for number in range(frames)]
    options: dict[str, object] = {"lossless": True} if format_name == "WEBP" else {}
    data = encoded(pictures[0], format_name, save_all=True, append_images=pictures[1:], duration=50, **options)
    return data, pictures[0]


def turned(format_name: str, orientation: int) -> bytes:
    """A file of `picture()` that says in EXIF how it must be turned to stand upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options: dict[str, object] = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(
        format_name, {}
    )
    return encoded(picture(), format_name, exif=exif, **options)


@functools.cache
def bomb(side: int = 13_000) -> bytes:
    """A PNG of about 500 KB that unfolds to side x side pixels, made without holding them, in a second and a half."""
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * side)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def damaged(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """*count* copies of a file, each with a few bytes changed, a stretch left out, or its end cut off."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        copy = bytearray(data)
        at = int(rng.integers(len(copy)))
        if number % 3 == 0:
            yield bytes(copy[:at])
        elif number % 3 == 1:
            yield bytes(copy[:at] + copy[at + int(rng.integers(1, 20)) :])
        else:
            for place in rng.integers(len(copy), size=int(rng.integers(1, 6))):
                copy[place] = int(rng.integers(256))
            yield bytes(copy)
