"""How large an AVIF file's pictures are coded, before one is decoded.

The size that readers are told stands in a box of its own (`ispe`); the decoder goes by the AV1 stream's headers and
scales the picture afterwards, so that a file of 3 KB can say 64 x 64 and take the memory of 16,000 x 16,000. Here the
boxes are followed to the streams: ISO/IEC 14496-12 (boxes, 8.11 items, 8.5 to 8.7 sample tables), 23008-12 (HEIF) and
the AV1 Image File Format; models/av1.py reads the streams.
"""

from collections.abc import Iterator
from itertools import islice

from models.av1 import Pieces, Steps, most_pixels, unreadable

_CODED = b"av01"
# images put together of items: a grid, an overlay, a calculation
_TOGETHER = (b"grid", b"iovl", b"sato")
_SAMPLES = (b"trak", b"mdia", b"minf", b"stbl")
# where the first chunk lies, by the bytes of the number that tells it
_CHUNK_OFFSETS = {b"stco": 4, b"co64": 8}


def coded_pixels(data: bytes) -> int:
    """Most pixels that decoding the first picture of an AVIF file may hold at once, by its AV1 sequence headers.

    It is the largest over its coded images (colour, alpha, of items and of tracks alike) of width x height x the frames
    that a decoder may hold. Where the file has a grid it is the sum over its items, about the grid's own area and as
    much for its alpha: libavif may give each tile a decoder, and keeps them all until the grid is done.

    Raises:
        ImageUnreadable: the boxes or streams cannot be followed, there are too many, or nothing is coded in AV1.
    """
    file, steps = memoryview(data).toreadonly(), Steps()
    most = 0
    for kind, body in _boxes(file, steps, outermost=True):
        if kind == b"meta":
            # before its boxes stand version and flags
            most = max(most, _in_items(body[4:], file, steps), _in_properties(body[4:], steps))
        elif kind == b"moov":
            most = max(most, _in_tracks(body, file, steps))
    if not most:
        raise unreadable("it has no image in AV1")
    return most


class _Fields:
    """Whole numbers, the highest byte first, one after another."""

    def __init__(self, body: memoryview, steps: Steps) -> None:
        self.rest = body
        self._steps = steps

    def take(self, size: int) -> int:
        """The next *size* bytes."""
        self._steps.take()
        if size > len(self.rest):
            raise unreadable("a box is cut off")
        found = int.from_bytes(self.rest[:size], "big")
        self.rest = self.rest[size:]
        return found

    def version(self) -> int:
        """The version of a box that has one; its flags are passed."""
        return self.take(4) >> 24


def _boxes(body: memoryview, steps: Steps, *, outermost: bool = False) -> Iterator[tuple[bytes, memoryview]]:
    """Type and content of each box (ISO/IEC 14496-12, 4.2); outermost, what is no box ends the file, as for libavif."""
    while len(body):
        steps.take()
        size, kind, head = int.from_bytes(body[:4], "big"), bytes(body[4:8]), 8
        if size == 1:
            size, head = int.from_bytes(body[8:16], "big"), 16
        elif size == 0 and outermost:
            size = len(body)
        if not head <= size <= len(body):
            if outermost:
                return
            raise unreadable("a box is cut off")
        yield kind, body[head:size]
        body = body[size:]


def _inside(body: memoryview, path: tuple[bytes, ...], steps: Steps) -> Iterator[memoryview]:
    """The contents of the boxes at *path*; its length is how deep boxes are looked into."""
    for kind, inner in _boxes(body, steps):
        if kind == path[0]:
            if len(path) == 1:
                yield inner
            else:
                yield from _inside(inner, path[1:], steps)


def _in_items(meta: memoryview, file: memoryview, steps: Steps) -> int:
    """Of the items in AV1: of the largest, or of all where an image is put together of them."""
    coded, together = _coded_items(meta, steps)
    idat = next(_inside(meta, (b"idat",), steps), memoryview(b""))
    sizes = [most_pixels(stream, steps) for stream in _streams(meta, coded, (file, idat), steps)]
    return sum(sizes) if together else max(sizes, default=0)


def _in_properties(meta: memoryview, steps: Steps) -> int:
    """Of the sequence headers in items' properties: after four bytes of its own `av1C` holds OBUs."""
    found = _inside(meta, (b"iprp", b"ipco", b"av1C"), steps)
    return max((most_pixels(Pieces([body[4:]]), steps) for body in found), default=0)


def _coded_items(meta: memoryview, steps: Steps) -> tuple[set[int], bool]:
    """The numbers of the items in AV1, and whether an image is put together of items (8.11.6)."""
    coded, together = set[int](), False
    for body in _inside(meta, (b"iinf",), steps):
        fields = _Fields(body, steps)
        count = fields.take(4 if fields.version() else 2)
        for kind, entry in islice(_boxes(fields.rest, steps), count):
            item = _Fields(entry, steps)
            version = item.version()
            if kind != b"infe" or version not in (2, 3):
                raise unreadable("an item has no type")
            number = item.take(4 if version == 3 else 2)
            item.take(2)  # protection
            name = item.take(4).to_bytes(4, "big")
            together |= name in _TOGETHER
            if name == _CODED:
                coded.add(number)
    return coded, together


def _streams(
    meta: memoryview, wanted: set[int], places: tuple[memoryview, memoryview], steps: Steps
) -> Iterator[Pieces]:
    """The bytes of each item *wanted* (8.11.3); *places*: what offsets count in, by construction method."""
    for body in _inside(meta, (b"iloc",), steps):
        fields = _Fields(body, steps)
        version, sizes = fields.version(), fields.take(2)
        if version > 2:
            raise unreadable("its items' places are of a newer version")
        offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_size = sizes & 15 if version else 0
        number_size = 4 if version == 2 else 2
        for _ in range(fields.take(number_size)):
            item = fields.take(number_size)
            method = fields.take(2) & 15 if version else 0
            if method >= len(places):
                raise unreadable("an item is made of others' bytes")
            fields.take(2)  # data reference
            base, parts = fields.take(base_size), list[memoryview]()
            for _ in range(fields.take(2)):
                fields.take(index_size)
                offset, length = base + fields.take(offset_size), fields.take(length_size)
                if item in wanted:
                    parts.append(_stretch(places[method], offset, length))
            if item in wanted:
                yield Pieces(parts)


def _stretch(place: memoryview, offset: int, length: int) -> memoryview:
    if offset + length > len(place):
        raise unreadable("an image lies outside of it")
    return place[offset : offset + length]


def _in_tracks(moov: memoryview, file: memoryview, steps: Steps) -> int:
    """Of the first sample of each track in AV1."""
    most = 0
    for table in _inside(moov, _SAMPLES, steps):
        sample = _first_sample(table, file, steps)
        if sample is not None:
            most = max(most, most_pixels(Pieces([sample]), steps))
    return most


def _first_sample(table: memoryview, file: memoryview, steps: Steps) -> memoryview | None:
    """The bytes of a track's first sample (8.5.2, 8.7.3, 8.7.5); None where it has none, or none in AV1."""
    coded, offsets, sizes = False, list[int](), list[int]()
    for kind, body in _boxes(table, steps):
        if kind not in (b"stsd", b"stsz", *_CHUNK_OFFSETS):
            continue
        fields = _Fields(body, steps)
        fields.version()
        if kind == b"stsd":
            count = fields.take(4)
            coded |= any(entry == _CODED for entry, _ in islice(_boxes(fields.rest, steps), count))
        elif kind == b"stsz":
            size, count = fields.take(4), fields.take(4)
            # 0: each has its own
            sizes.append(size if size or not count else fields.take(4))
        elif fields.take(4):
            offsets.append(fields.take(_CHUNK_OFFSETS[kind]))
    if not coded or not offsets or not sizes:
        return None
    if len(offsets) > 1 or len(sizes) > 1:
        raise unreadable("a track has two tables for one thing")
    return _stretch(file, offsets[0], sizes[0])
