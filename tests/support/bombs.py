"""Picture files that make a decoder do far more than their width and height tell."""

import io
import struct
import zlib

from PIL import Image

_EMPTY = 2**20


def _small(format_name: str, mode: str = "RGB", side: int = 32, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (side, side)).save(buffer, format_name, **options)
    return buffer.getvalue()


def markers(count: int) -> bytes:
    """A JPEG with so many empty markers: Pillow keeps an object of 137 bytes for each."""
    data = _small("JPEG")
    return data[:2] + b"\xff\xe1\x00\x02" * count + data[2:]


def junk(count: int) -> bytes:
    """A JPEG with so many bytes between its markers, which Pillow passes over one by one."""
    data = _small("JPEG")
    return data[:20] + bytes(count) + data[20:]


def chunks(count: int) -> bytes:
    """A PNG with so many empty chunks."""
    data = _small("PNG")
    chunk = struct.pack(">I", 0) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))
    return data[:33] + chunk * count + data[33:]


def comments(count: int) -> bytes:
    """A GIF whose comment is in so many blocks of one byte."""
    data = _small("GIF", "P")
    start = 13 + 3 * (2 << (data[10] & 7))
    return data[:start] + b"!\xfe" + b"\x01a" * count + b"\0" + data[start:]


def plain_comments(count: int) -> bytes:
    """A PPM of four pixels as text, with so many comments: Pillow copies the rest at each."""
    return b"P3\n2 2\n9\n" + b"#\n" * count + b"1 " * 12


def scanned(side: int, more: int) -> bytes:
    """A progressive JPEG whose smallest scan is there *more* times again."""
    data = _small("JPEG", "L", side, progressive=True, quality=50)
    starts = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    # its marker and its header are ten bytes
    ends = [data.index(b"\xff", start + 10) for start in starts]
    start, end = min(zip(starts[1:], ends[1:], strict=True), key=lambda scan: scan[1] - scan[0])
    return data[:end] + data[start:end] * more + data[end:]


def tiled(tile: int, side: int = 64, kind: int = 4) -> bytes:
    """A TIFF of *side* x *side* pixels in one tile of *tile* x *tile*, deflated; its tile's size as a number of *kind*."""
    zipped = zlib.compressobj(9)
    body = b"".join(zipped.compress(bytes(_EMPTY)) for _ in range(3 * tile * tile // _EMPTY + 1)) + zipped.flush()
    entries, bits = 11, 8 + 2 + 12 * 11 + 4
    tags = [
        (256, 3, 1, side), (257, 3, 1, side), (258, 3, 3, bits), (259, 3, 1, 8), (262, 3, 1, 2), (277, 3, 1, 3),
        (284, 3, 1, 1), (322, kind, 1, tile), (323, kind, 1, tile), (324, 4, 1, bits + 6), (325, 4, 1, len(body)),
    ]  # fmt: skip
    # little-endian: a short number's two bytes come first
    lines = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, entries) + lines + struct.pack("<IHHH", 0, 8, 8, 8) + body


def stripped(strips: int) -> bytes:
    """A TIFF of 8 x 8 grey pixels that says it is in so many strips, a byte for the place of each."""
    tags = [
        (256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 1, strips, 110),
        (277, 3, 1, 1), (278, 3, 1, 1),
    ]  # fmt: skip
    lines = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + lines + struct.pack("<I", 0) + bytes([110] * strips)


def turned_by(numbers: int) -> bytes:
    """A PNG whose orientation is said to be so many fractions."""
    entry = struct.pack("<HHII", 274, 5, numbers, 26)
    exif = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0) + b"\1\0\0\0\1\0\0\0" * numbers
    return _small("PNG", exif=exif)


def coded(side: int, said: int = 64) -> bytes:
    """An AVIF whose frame is *side* x *side*, and whose header says it is *said* x *said*."""
    data = bytearray(_small("AVIF", side=side, quality=10, speed=10))
    place = data.find(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", said, said)
    return bytes(data)
