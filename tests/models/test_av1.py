"""Sizes from AV1 headers: every field that may stand before them, what frames name themselves, damage."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.av1 import MOST_FRAMES, Pieces, Steps, most_pixels
from models.errors import ImageUnreadable

SEQUENCE, DELIMITER, HEADER, TILES, FRAME, REPEATED = 1, 2, 3, 4, 6, 7
# of screen content tools and integer motion: each frame says, never, always
CHOICES = ("1", "00", "01")
KEY, INTER, SWITCH = 0, 1, 3


@dataclass(frozen=True)
class Options:
    """What may stand in a sequence header before its size, and between it and what a frame says of its own.

    Attributes:
        model_bits: of the decoder model's delays; 0 = there is none.
        id_bits: of a frame's number; 0 = there is none.
    """

    points: int = 1
    level: int = 0
    timing: bool = False
    equal_interval: bool = False
    model_bits: int = 0
    display_delay: bool = False
    id_bits: int = 0
    order_hint: bool = False
    tools: str = "1"
    integer_mv: str = "1"


OPTIONS = st.builds(
    Options,
    points=st.integers(1, 32),
    level=st.integers(0, 31),
    timing=st.booleans(),
    equal_interval=st.booleans(),
    model_bits=st.integers(0, 32),
    display_delay=st.booleans(),
    id_bits=st.sampled_from([0, 5, 9, 12]),
    order_hint=st.booleans(),
    tools=st.sampled_from(CHOICES),
    integer_mv=st.sampled_from(CHOICES),
)
SIDES = st.integers(1, 2**16)


def _bytes(bits: str) -> bytes:
    """With the one and the zeros that end a header."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _size(width: int, height: int, bits: int) -> str:
    return f"{bits - 1:04b}" * 2 + f"{width - 1:0{bits}b}{height - 1:0{bits}b}"


def still(width: int, height: int) -> bytes:
    """The reduced sequence header of a still picture."""
    return _bytes("00011" + "01001" + _size(width, height, 16))


def _timing(options: Options) -> str:
    if not options.timing:
        return "0"
    told = "1" + "01" * 32 + ("1" + "00111" if options.equal_interval else "0")
    return told + (f"1{options.model_bits - 1:05b}" + "01" * 16 + "00111" + "00110" if options.model_bits else "0")


def sequence(width: int, height: int, options: Options = Options(), bits: int = 16) -> bytes:
    """A sequence header that is not reduced, with sides of so many *bits*."""
    told = "00000" + _timing(options) + str(int(options.display_delay)) + f"{options.points - 1:05b}"
    for _ in range(options.points):
        told += "010101010101" + f"{options.level:05b}" + "1" * (options.level > 7)
        if options.timing and options.model_bits:
            told += "1" + "10" * options.model_bits + "0"
        if options.display_delay:
            told += "1" + "0101"
    told += _size(width, height, bits)
    told += f"10010{options.id_bits - 5:03b}" if options.id_bits else "0"
    told += "010" + "1010" + ("101" if options.order_hint else "0")
    return _bytes(told + options.tools + (options.integer_mv if options.tools != "00" else ""))


def frame(options: Options = Options(), *, named: bool = False, kind: int = KEY, shown: bool = True) -> bytes:
    """A frame's header, up to whether it names its own size; it wants the tools where it may choose."""
    told = f"0{kind:02b}{shown:d}"
    if shown and options.timing and options.model_bits and not options.equal_interval:
        told += "1010101"
    told += "1" * (not shown)
    told += "0" * (kind != SWITCH and not (kind == KEY and shown))
    told += "0" + "1" * (options.tools == "1")
    told += "0" * (options.tools != "00" and options.integer_mv == "1")
    told += "01" * 6 if options.id_bits == 12 else "0" * options.id_bits
    return _bytes(told + ("" if kind == SWITCH else f"{named:d}"))


def leb128(value: int) -> bytes:
    """A number, seven bits a byte, the lowest first."""
    return bytes([value & 127 | 128]) + leb128(value >> 7) if value > 127 else bytes([value])


def unit(kind: int, payload: bytes = b"", *, sized: bool = True, extended: bool = False) -> bytes:
    """One OBU."""
    head = bytes([kind << 3 | extended << 2 | sized << 1]) + b"\x08" * extended
    return head + (leb128(len(payload)) if sized else b"") + payload


def _pixels(*parts: bytes, steps: int = 2**17) -> int:
    return most_pixels(Pieces([memoryview(part) for part in parts]), Steps(steps))


@given(width=SIDES, height=SIDES)
@settings(max_examples=40, deadline=None)
def test_a_still_pictures_size(width: int, height: int) -> None:
    """A reduced header's size is the picture's, whatever its frame's first bits are."""
    assert width * height == _pixels(unit(DELIMITER), unit(SEQUENCE, still(width, height)), unit(FRAME, b"\xff" * 9))


@given(width=SIDES, height=SIDES, options=OPTIONS, named=st.booleans(), shown=st.booleans())
@settings(max_examples=300, deadline=None)
def test_size_behind_every_field(width: int, height: int, options: Options, named: bool, shown: bool) -> None:
    """Timing, decoder model, operating points, delays, tools and frame numbers are passed, present or absent.

    A frame that names its own size counts as the largest that its bits can name.
    """
    head = unit(SEQUENCE, sequence(width, height, options))

    found = _pixels(head, unit(FRAME, frame(options, named=named, shown=shown)))

    assert (2**32 if named else width * height) == found


def test_fewer_bits_name_smaller_frames() -> None:
    """A frame's own size is bounded by the bits that the sequence header gives to sizes."""
    head = unit(SEQUENCE, sequence(100, 50, bits=7))

    assert 2**14 == _pixels(head, unit(FRAME, frame(named=True)))
    assert 2**14 == _pixels(head, unit(FRAME, frame(kind=SWITCH)))
    assert 100 * 50 == _pixels(head, unit(FRAME, frame(kind=INTER)))


def test_frames_that_are_held_count() -> None:
    """Up to nine frames may be held at once: eight for reference and the one being decoded."""
    head = unit(SEQUENCE, sequence(100, 50))
    frames = [unit(FRAME, frame()), unit(HEADER, frame()), unit(REPEATED, frame()), unit(TILES, b"\xff" * 40)]

    assert [5_000 * count for count in (1, 1, 2, 3, 3)] == [_pixels(head, *frames[:count]) for count in range(5)]
    assert 5_000 * MOST_FRAMES == _pixels(head, *frames * 9)


def test_the_largest_sequence_counts() -> None:
    """Of several sequence headers the largest size counts, wherever it stands."""
    small, large = unit(SEQUENCE, still(10, 10)), unit(SEQUENCE, still(300, 200))

    assert 60_000 == _pixels(small, large) == _pixels(large, small) == _pixels(small, unit(FRAME), large)


@given(cuts=st.lists(st.integers(0, 90), max_size=90), sized=st.booleans(), extended=st.booleans())
@settings(max_examples=100, deadline=None)
def test_units_straddle_pieces(cuts: list[int], sized: bool, extended: bool) -> None:
    """However the bytes are cut into pieces, empty ones too, they are read as one; a last unit needs no size."""
    data = unit(DELIMITER) + unit(SEQUENCE, sequence(640, 480, Options(points=2, timing=True)), extended=extended)
    data += unit(FRAME, frame(named=False) + bytes(40), sized=sized)
    places = [0, *sorted(cuts), len(data)]

    assert 640 * 480 == _pixels(*(data[start:end] for start, end in pairwise(places)))


@given(data=st.binary(min_size=1, max_size=60), cuts=st.lists(st.integers(0, 60)), start=st.integers(0, 70))
@settings(max_examples=100, deadline=None)
def test_pieces_read_as_one(data: bytes, cuts: list[int], start: int) -> None:
    """A stretch of pieces is that stretch of their bytes joined, short where they end."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = Pieces([memoryview(data)[begin:end] for begin, end in pairwise(places)])

    assert len(data) == len(pieces)
    for end in (start, start + 1, start + 9, 99):
        assert data[start:end] == pieces.read(start, end)


def test_nothing_has_no_pixels() -> None:
    """No bytes, and units of other kinds, tell no size."""
    assert 0 == _pixels() == _pixels(b"") == _pixels(unit(DELIMITER), unit(5, b"\xff" * 9))


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([unit(FRAME, frame())], "no sequence header"),
        ([unit(SEQUENCE, still(9, 9)[:5])], "a header is cut off"),
        ([unit(SEQUENCE, still(9, 9))[:-1]], "a unit is cut off"),
        ([unit(SEQUENCE, still(9, 9)), unit(FRAME, b"", extended=True)[:1]], "a unit"),
        ([b"\x0a" + b"\x80" * 8 + b"\0"], "no number"),
        ([b"\x0a" + b"\xff" * 4 + b"\x7f"], "no number"),
        ([b"\x0a"], "no number"),
        ([b"\x92\x00"], "forbidden"),
        ([unit(SEQUENCE, sequence(9, 9)), unit(FRAME)], "a header is cut off"),
        # one bit says that timing is told, 64 tell it, one that all pictures last equally, by a number without end
        ([unit(SEQUENCE, _bytes("00000" + "1" + "0" * 64 + "1" + "0" * 200))], "too long"),
    ],
)
def test_damage_is_named(parts: Sequence[bytes], why: str) -> None:
    """What cannot be followed is refused, with what was wrong and what to do."""
    with pytest.raises(ImageUnreadable, match=f"{why}.*save it again"):
        _pixels(*parts)


@given(data=st.binary(max_size=120), headed=st.booleans())
@settings(max_examples=300, deadline=None)
def test_garbage_is_refused_or_has_a_size(data: bytes, headed: bool) -> None:
    """Random bytes, alone or in a sequence header, end in a number or in ImageUnreadable."""
    try:
        assert 0 <= _pixels(unit(SEQUENCE, data) if headed else data) <= 2**32 * MOST_FRAMES
    except ImageUnreadable as error:
        assert str(error)


@pytest.mark.parametrize("each", [b"\x12\x00", unit(SEQUENCE, sequence(9, 9, Options(points=32, level=9)))])
def test_steps_are_bounded(each: bytes) -> None:
    """A megabyte of units, empty ones or the longest headers, is refused when the steps are used up, in a second or so."""
    begun = time.process_time()
    with pytest.raises(ImageUnreadable, match="too many parts"):
        _pixels(each * (2**20 // len(each)))

    assert time.process_time() - begun < 5


def test_a_frame_that_is_shown_again_is_none_of_its_own() -> None:
    """show_existing_frame ends a header: no size is read from what follows."""
    head = unit(SEQUENCE, sequence(100, 50))

    assert 5_000 == _pixels(head, unit(HEADER, b"\xff" * 9))
