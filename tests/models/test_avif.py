"""Sizes of AVIF files before they are decoded: Pillow's own, files put together by hand, damage."""

import functools
import io
import struct
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.avif import coded_pixels
from models.errors import ImageUnreadable
from tests.support.images import damaged, encoded, picture

FILE, IDAT, OTHERS = 0, 1, 2
OPTIONS: tuple[tuple[str, dict[str, object]], ...] = (
    ("RGB", {}),
    ("RGB", {"subsampling": "4:4:4", "quality": 100}),
    ("RGB", {"subsampling": "4:2:0", "quality": 20}),
    ("L", {}),
    ("LA", {}),
    ("RGBA", {}),
    ("RGBA", {"save_all": True, "append_images": [Image.new("RGBA", (1, 1))]}),
)


def _avif(width: int, height: int, mode: str = "RGB", **options: object) -> bytes:
    if "append_images" in options:
        options["append_images"] = [Image.new(mode, (width, height), "red"), Image.new(mode, (width, height), "blue")]
    return encoded(picture(width, height).convert(mode), "AVIF", speed=10, **options)


@functools.cache
def _still(width: int, height: int) -> bytes:
    return _avif(width, height)


@functools.cache
def _stream(width: int, height: int) -> bytes:
    """The units of a coded picture: Pillow writes them last in the file of a still one."""
    return _still(width, height).partition(b"mdat")[2]


def _saying(data: bytes, width: int, height: int) -> bytes:
    """*data*, whose headers say that it is of another size."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, version: int, *parts: bytes) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]), *parts)


def _found(data: bytes, kind: bytes) -> bytes:
    """The first box of that kind, wherever it stands."""
    at = data.index(kind) - 4
    return data[at : at + int.from_bytes(data[at : at + 4], "big")]


@dataclass(frozen=True)
class Item:
    """An item, and its bytes as they lie in the file, in pieces."""

    parts: Sequence[bytes]
    kind: bytes = b"av01"
    method: int = FILE


@dataclass(frozen=True)
class Form:
    """The versions of boxes, and the bytes of numbers in `iloc`, with a base for offsets or none."""

    iloc: int = 1
    iinf: int = 0
    infe: int = 2
    offset: int = 4
    length: int = 4
    base: int = 0
    index: int = 0


FORMS = st.builds(
    Form,
    iloc=st.integers(0, 2),
    iinf=st.integers(0, 1),
    infe=st.integers(2, 3),
    offset=st.sampled_from([4, 8]),
    length=st.sampled_from([4, 8]),
    base=st.sampled_from([0, 4, 8]),
    index=st.sampled_from([0, 4, 8]),
)


def _infos(items: Sequence[Item], form: Form) -> bytes:
    infos = [
        _full(b"infe", form.infe, number.to_bytes(4 if form.infe == 3 else 2, "big"), bytes(2), item.kind, b"\0")
        for number, item in enumerate(items, 1)
    ]
    return _full(b"iinf", form.iinf, len(items).to_bytes(4 if form.iinf else 2, "big"), *infos)


def _places(items: Sequence[Item], form: Form, starts: dict[int, int]) -> bytes:
    """`iloc`: the parts of all items stand one behind another, each followed by three bytes that belong to none."""
    size = 4 if form.iloc == 2 else 2
    told = bytes([form.offset << 4 | form.length, form.base << 4 | form.index * (form.iloc > 0)])
    told += len(items).to_bytes(size, "big")
    starts = dict(starts)
    for number, item in enumerate(items, 1):
        told += number.to_bytes(size, "big") + (struct.pack(">H", item.method) if form.iloc else b"") + bytes(2)
        base = 7 if form.base else 0
        told += base.to_bytes(form.base, "big") + struct.pack(">H", len(item.parts))
        for part in item.parts:
            told += bytes(form.index if form.iloc else 0)
            told += (starts[item.method] - base).to_bytes(form.offset, "big")
            told += len(part).to_bytes(form.length, "big")
            starts[item.method] += len(part) + 3
    return _full(b"iloc", form.iloc, told)


def _file(items: Sequence[Item], form: Form = Form(), *more: bytes) -> bytes:
    """A file of these items; *more*: boxes of its `meta`."""
    lying = {
        method: [part + b"???" for item in items if item.method == method for part in item.parts] for method in (0, 1)
    }
    head = _box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf") + _box(b"mdat", *lying[FILE])
    starts = {FILE: len(head) - sum(map(len, lying[FILE])), IDAT: 9, OTHERS: 9}
    handler = _full(b"hdlr", 0, bytes(4), b"pict", bytes(13))
    pitm = _full(b"pitm", 0, b"\0\1")
    idat = _box(b"idat", bytes(9), *lying[IDAT])
    return head + _full(b"meta", 0, handler, pitm, _places(items, form, starts), _infos(items, form), *more, idat)


def _properties(source: bytes, side: int) -> bytes:
    """`iprp` for the first item, coded as in *source*, said to be of another size."""
    boxes = [
        _full(b"ispe", 0, struct.pack(">II", side, side)),
        _full(b"pixi", 0, b"\3\10\10\10"),
        _found(source, b"av1C"),
    ]
    return _box(b"iprp", _box(b"ipco", *boxes), _full(b"ipma", 0, struct.pack(">IHB", 1, 1, 3), b"\1\2\x83"))


def _sample_table(data: bytes) -> tuple[int, int]:
    """Where the first sample of the first track lies, and how long it is."""
    return struct.unpack(">I", _found(data, b"stco")[16:20])[0], struct.unpack(">I", _found(data, b"stsz")[20:24])[0]


def _refused_or_counted(data: bytes) -> int | None:
    try:
        found = coded_pixels(data)
    except ImageUnreadable as error:
        assert "save it again" in str(error)
        return None
    assert found > 0
    return found


@pytest.mark.parametrize(("mode", "options"), OPTIONS)
@pytest.mark.parametrize("size", [(64, 64), (33, 21), (1, 1), (130, 7)])
def test_pillows_files_have_their_size(mode: str, options: dict[str, object], size: tuple[int, int]) -> None:
    """A still picture, with alpha or without, and the first frame of a sequence have width x height, odd or even."""
    assert size[0] * size[1] == coded_pixels(_avif(*size, mode, **options))


def test_the_size_that_is_told_decides_nothing() -> None:
    """A file whose `ispe` says 64 x 64 counts by what is coded, and so does a large one that says it is larger."""
    assert 320 * 200 == coded_pixels(_saying(_still(320, 200), 64, 64))
    assert 320 * 200 == coded_pixels(_saying(_still(320, 200), 10_000, 10_000))


def test_a_frame_may_name_its_own_size() -> None:
    """Where the sequence header says 16 x 16 and a frame says 200 x 200, which is decoded, the frame's counts."""
    sequence = _avif(200, 200, save_all=True, append_images=[])
    at, length = _sample_table(sequence)
    sample = sequence[at : at + length]
    # a delimiter, the sequence header at 2, the frame; sizes of one or two bytes
    header = sample[4 : 4 + sample[3]]
    rest = sample[4 + sample[3] :]
    frame = rest[2 if rest[1] < 128 else 3 :]
    told = format(int.from_bytes(header, "big"), f"0{8 * len(header)}b")
    side = format(199, "08b")
    assert told[37:53] == side * 2
    told = told[:37] + format(15, "08b") * 2 + told[53:]
    # a key frame that is shown, without screen content tools, of the sequence's size; then seven bits of its order
    bits = format(int.from_bytes(frame, "big"), f"0{8 * len(frame)}b")
    assert bits[:7] == "0001000"
    bits = bits[:6] + "1" + bits[7:14] + side * 2 + bits[14:]
    changed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    size = bytes([len(changed) & 127 | 128, len(changed) >> 7])
    data = sample[:4] + int(told, 2).to_bytes(len(header), "big") + rest[:1] + size + changed

    hidden = _file([Item([data])], Form(), _properties(sequence, 200))

    assert 256 * 256 == coded_pixels(hidden)
    image = Image.open(io.BytesIO(hidden)).convert("RGB")
    assert (200, 200) == image.size
    # it is the picture, and no 16 x 16 of it
    first, last = (image.getpixel(place) for place in ((5, 5), (195, 195)))
    assert isinstance(first, tuple)
    assert isinstance(last, tuple)
    assert first[0] < 60 < 190 < last[0]


@given(cuts=st.lists(st.integers(0, 60), max_size=20), form=FORMS, lying=st.sampled_from([FILE, IDAT]))
@settings(max_examples=150, deadline=None)
def test_items_lie_anywhere(cuts: list[int], form: Form, lying: int) -> None:
    """In any number of pieces, in the file or in `idat`, told by any version of the boxes, an item is the same."""
    data = _stream(96, 80)
    places = [0, *sorted(cuts), len(data)]
    parts = [data[start:end] for start, end in pairwise(places)]
    method = lying if form.iloc else FILE

    assert 96 * 80 == coded_pixels(_file([Item([b"not AV1"], b"Exif", method), Item(parts, method=method)], form))


def test_a_file_by_hand_is_one_that_pillow_reads() -> None:
    """What these tests put together is an AVIF file, also in pieces that no unit ends with."""
    data = _stream(96, 80)
    made = _file([Item([data[:3], data[3:20], data[20:]])], Form(), _properties(_still(96, 80), 96))

    assert (96, 96) == Image.open(io.BytesIO(made)).convert("RGB").size


def test_the_largest_item_counts() -> None:
    """Of several pictures beside each other (alpha, thumbnails) the largest counts, in any order."""
    items = [Item([_stream(16, 16)]), Item([_stream(300, 200)]), Item([_stream(96, 80)])]

    assert 60_000 == coded_pixels(_file(items)) == coded_pixels(_file(items[::-1]))


@pytest.mark.parametrize("kind", [b"grid", b"sato"])
def test_tiles_count_together(kind: bytes) -> None:
    """A picture put together of others has the pixels of all: libavif may keep the decoder of each until it is done."""
    items = [Item([bytes(8)], kind, IDAT), Item([_stream(96, 80)]), Item([_stream(96, 80)]), Item([_stream(300, 200)])]

    assert 60_000 + 2 * 96 * 80 == coded_pixels(_file(items))


def test_properties_count() -> None:
    """A sequence header in the decoder's configuration (`av1C`) counts as an image of one frame."""
    large = _stream(300, 200)
    header = large[2 : 4 + large[3]]
    box = _box(b"iprp", _box(b"ipco", _full(b"ispe", 0, bytes(8)), _box(b"av1C", b"\x81\0\x0c\0", header)))

    assert 60_000 == coded_pixels(_file([Item([_stream(16, 16)])], Form(), box))


def test_the_alpha_of_a_sequence_counts() -> None:
    """Tracks are followed to their first samples, the alpha's too, with 32 or 64 bits of offset."""
    data = _avif(20, 16, "RGBA", save_all=True, append_images=[])
    large = _stream(300, 200)
    tables = [at for at in range(len(data)) if data[at : at + 4] == b"stco"]
    assert len(tables) == 2
    for table in tables:
        sizes = data.rindex(b"stsz", 0, table)
        made = bytearray(data + _box(b"mdat", large))
        made[table + 12 : table + 16] = struct.pack(">I", len(data) + 8)
        made[sizes + 16 : sizes + 20] = struct.pack(">I", len(large))
        assert 60_000 == coded_pixels(bytes(made))


def _track(entry: bytes, *tables: bytes) -> bytes:
    stsd = _full(b"stsd", 0, struct.pack(">I", 1), _box(entry, bytes(78)))
    return _box(b"trak", _box(b"mdia", _box(b"minf", _box(b"stbl", stsd, *tables))))


def _movie(*tracks: bytes) -> bytes:
    """A file whose one picture is at 16, and with these tracks."""
    return _box(b"ftyp", b"avis", bytes(4)) + _box(b"mdat", _stream(96, 80)) + _box(b"moov", *tracks)


def test_tracks_of_every_form() -> None:
    """Samples of one size or of many, at 32 or 64 bits of offset; tracks without samples or in another codec are none."""
    length = len(_stream(96, 80))
    # the head of `ftyp` and its 8 bytes, that of `mdat`
    at = 24
    same = _full(b"stsz", 0, struct.pack(">II", length, 5))
    each = _full(b"stsz", 0, struct.pack(">IIII", 0, 2, length, 9))
    near, far = _full(b"stco", 0, struct.pack(">II", 1, at)), _full(b"co64", 0, struct.pack(">IQ", 1, at))
    empty = _full(b"stco", 0, bytes(4))
    for size in (same, each):
        for place in (near, far):
            other = _track(b"hvc1", size, _full(b"stco", 0, b"\0\0\0\1\xff\xff\xff\xff"))
            assert 7_680 == coded_pixels(_movie(other, _track(b"av01", size, empty), _track(b"av01", place, size)))

    for tables in ((same, empty), (same,), (near,), ()):
        with pytest.raises(ImageUnreadable, match="no image"):
            coded_pixels(_movie(_track(b"av01", *tables)))
    for tables in ((same, near, far), (same, each, near)):
        with pytest.raises(ImageUnreadable, match="two tables"):
            coded_pixels(_movie(_track(b"av01", *tables)))


def test_what_follows_a_file_is_not_read() -> None:
    """Bytes behind the last box, too few for one or of no size that a box can have, change nothing."""
    for rest in (b"\0", b"\0\0\0\7free", b"\xff" * 40, bytes(40)):
        assert 96 * 80 == coded_pixels(_still(96, 80) + rest)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no image"),
        (_box(b"ftyp", b"avif", bytes(4)), "no image"),
        (_file([]), "no image"),
        (_file([Item([b"Exif"], b"Exif")]), "no image"),
        (_file([Item([b"123456789"], b"av01", OTHERS)]), "others' bytes"),
        (_file([Item([_stream(16, 16)])], Form(iloc=3)), "newer version"),
        (_file([Item([_stream(16, 16)])], Form(infe=1)), "no type"),
        (_file([Item([_stream(16, 16)])], Form(), b"\0\0\0\0free"), "a box is cut off"),
        (_file([Item([_stream(16, 16)])], Form(), _box(b"iloc")), "a box is cut off"),
        (_file([Item([_stream(16, 16)[:-1]])]), "a unit is cut off"),
        (_file([Item([_stream(16, 16)[:9]])]), "a unit is cut off"),
        (_still(16, 16)[:-1], "outside"),
    ],
)
def test_what_cannot_be_followed_is_named(data: bytes, why: str) -> None:
    """Structures that are unknown, cut off or empty are refused, with what was wrong and what to do."""
    with pytest.raises(ImageUnreadable, match=f"{why}.*save it again"):
        coded_pixels(data)


@pytest.mark.parametrize(("mode", "options"), [OPTIONS[0], OPTIONS[-1]])
def test_every_beginning_of_a_file(mode: str, options: dict[str, object]) -> None:
    """A file cut anywhere is refused, or what is left of it has the whole one's size."""
    data = _avif(33, 21, mode, **options)

    assert {None, 693} >= {_refused_or_counted(data[:end]) for end in range(len(data))}


@pytest.mark.parametrize(("mode", "options"), OPTIONS)
def test_damage_is_refused_or_counted(mode: str, options: dict[str, object]) -> None:
    """Changed, missing and cut bytes end in a number or in ImageUnreadable."""
    for data in damaged(_avif(33, 21, mode, **options), 150):
        _refused_or_counted(data)


@given(
    places=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), min_size=1, max_size=8),
    number=st.integers(0, 1),
)
@settings(max_examples=300, deadline=None)
def test_bytes_may_say_anything(places: list[tuple[int, int]], number: int) -> None:
    """Any bytes in any places end in a number or in ImageUnreadable."""
    data = bytearray(_examples()[number])
    for place, value in places:
        data[place % len(data)] = value

    _refused_or_counted(bytes(data))


@functools.cache
def _examples() -> tuple[bytes, bytes]:
    return _avif(33, 21, "RGBA"), _avif(33, 21, "RGBA", save_all=True, append_images=[])


def _nested(depth: int) -> bytes:
    """Boxes of the kinds that are looked into, each in the one before."""
    kinds = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
    sizes = range(8 * depth, 0, -8)
    return b"".join(struct.pack(">I4s", size, kinds[number % len(kinds)]) for number, size in enumerate(sizes))


def _items_of_the_same_bytes() -> bytes:
    """A thousand items, each of which is the whole megabyte."""
    units = b"\x12\0" * 2**19
    whole = _file([Item([units])])
    at = whole.index(b"iloc") - 4
    (place,) = struct.unpack(">I", whole[at + 24 : at + 28])
    entry = struct.pack(">HHHHII", 1, 0, 0, 1, place, len(units))
    iloc = _full(b"iloc", 1, b"\x44\0", struct.pack(">H", 1_000), entry * 1_000)
    return whole + _full(b"meta", 0, _infos([Item([units])], Form()), iloc)


# files of about a megabyte, made to cost as much as they may
COSTLY: dict[str, Callable[[], bytes]] = {
    "nested boxes": lambda: _nested(2**17),
    "empty boxes": lambda: _box(b"free") * 2**17,
    "empty boxes inside": lambda: _full(b"meta", 0, _box(b"free") * 2**17),
    "empty metas": lambda: _box(b"meta") * 2**17,
    "empty tracks": lambda: _box(b"moov", _box(b"trak") * 2**17),
    "properties": lambda: _full(b"meta", 0, _box(b"iprp", _box(b"ipco", _box(b"av1C", bytes(4)) * 2**16))),
    "items": lambda: _file([Item([b""])] * 30_000),
    "extents": lambda: _file([Item([b""] * 65_535), Item([_stream(16, 16)])]),
    "empty extents": lambda: _file([Item([_stream(16, 16)[:9], *[b""] * 40_000, _stream(16, 16)[9:]])]),
    "extents of a byte": lambda: _file([Item([bytes([each]) for each in b"\x12\0" * 30_000])]),
    "units": lambda: _file([Item([b"\x12\0" * 2**19])]),
    "items of the same bytes": _items_of_the_same_bytes,
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_it_costs_is_bounded(name: str) -> None:
    """Whatever boxes, items, extents and units are made of, they are followed or refused in a second or so."""
    data = COSTLY[name]()
    begun = time.process_time()
    _refused_or_counted(data)

    assert time.process_time() - begun < 5


@pytest.mark.parametrize("name", ["items", "empty extents", "extents of a byte"])
def test_what_it_holds_is_bounded(name: str) -> None:
    """Thousands of items and pieces take less memory than a small picture: none of their bytes is copied."""
    data = COSTLY[name]()
    tracemalloc.start()
    try:
        _refused_or_counted(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 20 * 2**20


def test_pixels_are_not_read() -> None:
    """Of a file of a megabyte no more is read than its headers."""
    data = _still(24, 24)
    units = _stream(24, 24)
    # a tile group of a megabyte behind it
    large = _file([Item([units, b"\x22\x80\x80\x40" + bytes(2**20)])])
    assert len(large) > 2**20 > len(data)

    begun = time.process_time()
    for _ in range(100):
        assert 576 == coded_pixels(large)
    assert time.process_time() - begun < 2
