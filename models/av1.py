"""How large the frames of an AV1 stream are, from its headers, before one is decoded.

A stream is a row of open bitstream units (OBUs). Sequence headers tell the largest size; a frame's header may name one
of its own, which no decoder holds against the sequence's: it counts as the largest that its bits can name. Source: AV1
Bitstream & Decoding Process Specification, sections 4.10, 5.3, 5.5 and 5.9.2; names without "seq_" and "_flag" are its.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from models.errors import ImageUnreadable

# a decoder keeps eight frames for others to refer to, beside the one it decodes (section 7.20)
MOST_FRAMES = 8 + 1

_SEQUENCE_HEADER = 1
# A redundant header (7) repeats the last frame's; where there was none, dav1d begins a frame with it.
_FRAME_HEADERS = (3, 6, 7)
_KEY_FRAME, _SWITCH_FRAME = 0, 3
# "chosen by each frame", where a sequence header could also say no (0) or yes (1)
_SELECT = 2

# Of one unit so many bytes are read: no header needs more up to its sizes.
_HEAD_BYTES = 1_024


def unreadable(why: str) -> ImageUnreadable:
    """The error for a file that cannot be followed."""
    return ImageUnreadable(f"the AVIF file cannot be followed ({why}): save it again with another program")


class Steps:
    """What reading one file may cost: each number and each box takes a step. A grid of 1,000 tiles takes some 40,000."""

    def __init__(self, count: int = 2**17) -> None:
        self._left = count

    def take(self) -> None:
        """Take one.

        Raises:
            ImageUnreadable: none is left.
        """
        self._left -= 1
        if self._left < 0:
            raise unreadable("it has too many parts")


class Pieces:
    """Bytes that lie in several places, read as if they stood in one; nothing is copied before it is read."""

    def __init__(self, parts: Sequence[memoryview]) -> None:
        # without empty ones, of which a file may name thousands in one place
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(len(part) for part in self._parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def read(self, start: int, end: int) -> bytes:
        """The bytes from *start* to *end*, or to where the last piece ends."""
        found = bytearray()
        number = bisect_right(self._ends, start)
        while start + len(found) < min(end, len(self)):
            part = self._parts[number]
            begin = max(0, start + len(found) - (self._ends[number] - len(part)))
            found += part[begin : begin + end - start - len(found)]
            number += 1
        return bytes(found)


def most_pixels(stream: Pieces, steps: Steps) -> int:
    """Most pixels that decoding *stream* may hold at once: its largest frame, as often as frames may be held.

    Returns:
        width x height x min(frames, MOST_FRAMES), frames counted as at least one; 0 without a sequence header.

    Raises:
        ImageUnreadable: units or headers are cut off, a frame comes before any sequence header, or there are too many.
    """
    sequence: _Sequence | None = None
    largest = frames = 0
    for kind, head in _units(stream, steps):
        bits = _Bits(head, steps)
        if kind == _SEQUENCE_HEADER:
            sequence = _sequence(bits)
            largest = max(largest, sequence.pixels)
        elif kind in _FRAME_HEADERS:
            if sequence is None:
                # dav1d cannot decode it either, unless it still knows another tile's
                raise unreadable("an image has no sequence header")
            frames += 1
            if _names_its_size(bits, sequence):
                largest = max(largest, sequence.most_pixels)
    return largest * min(max(frames, 1), MOST_FRAMES)


def _units(stream: Pieces, steps: Steps) -> Iterator[tuple[int, bytes]]:
    """Type and first bytes of each OBU's payload (sections 5.3.1, 5.3.2)."""
    at = 0
    while at < len(stream):
        steps.take()
        head = stream.read(at, at + 10)
        if head[0] & 0x80:
            raise unreadable("a unit's forbidden bit is set")
        kind, extended, sized = head[0] >> 3 & 15, head[0] >> 2 & 1, head[0] >> 1 & 1
        at += 1 + extended
        end = len(stream)
        if sized:
            size, length = _leb128(head[1 + extended :])
            at += length
            end = at + size
        if not at <= end <= len(stream):
            raise unreadable("a unit is cut off")
        wanted = kind == _SEQUENCE_HEADER or kind in _FRAME_HEADERS
        yield kind, stream.read(at, min(end, at + _HEAD_BYTES)) if wanted else b""
        at = end


def _leb128(data: bytes) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and how many bytes it takes (section 4.10.5)."""
    value = 0
    for number, byte in enumerate(data[:8]):
        value |= (byte & 0x7F) << 7 * number
        if not byte & 0x80:
            if value >= 2**32:
                break
            return value, number + 1
    raise unreadable("a unit's size is no number")


class _Bits:
    """Numbers of any count of bits, the highest first, one after another."""

    def __init__(self, data: bytes, steps: Steps) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)
        self._steps = steps

    def take(self, count: int = 1) -> int:
        """The next *count* bits (section 4.10.2)."""
        self._steps.take()
        self._left -= count
        if self._left < 0:
            raise unreadable("a header is cut off")
        return self._value >> self._left & ((1 << count) - 1)

    def skip_uvlc(self) -> None:
        """Pass a number whose length is told by the zeros before it (section 4.10.3)."""
        zeros = 0
        while not self.take():
            zeros += 1
            if zeros == 32:
                # the specification reads on to the next one, dav1d does not
                raise unreadable("a header's number is too long")
        self.take(zeros)


@dataclass
class _Sequence:
    """What a sequence header says of sizes, and of what stands in a frame's header before its size.

    Attributes:
        reduced: a still picture: frames have no header to speak of, and the sequence's size.
        pixels: of a frame that does not name its own size.
        most_pixels: of the largest size that a frame can name.
        time_bits: of when a shown frame is presented; 0 = not told.
        id_bits: of a frame's number; 0 = not told.
        screen_content_tools, integer_mv: 0, 1 or _SELECT.
    """

    reduced: bool
    pixels: int = 0
    most_pixels: int = 0
    time_bits: int = 0
    id_bits: int = 0
    screen_content_tools: int = _SELECT
    integer_mv: int = _SELECT


def _sequence(bits: _Bits) -> _Sequence:
    """sequence_header_obu (section 5.5.1), up to what frames' headers need."""
    bits.take(3)  # profile
    bits.take()  # still_picture
    found = _Sequence(reduced=bool(bits.take()))
    if found.reduced:
        bits.take(5)  # level_idx
    else:
        _operating_points(bits, found)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    found.pixels = (bits.take(width_bits) + 1) * (bits.take(height_bits) + 1)
    found.most_pixels = 1 << width_bits + height_bits
    if found.reduced:
        return found
    if bits.take():  # frame_id_numbers_present
        found.id_bits = bits.take(4) + bits.take(3) + 3
    bits.take(3)  # use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    bits.take(4)  # enable_interintra_compound, enable_masked_compound, enable_warped_motion, enable_dual_filter
    if bits.take():  # enable_order_hint
        bits.take(2)  # enable_jnt_comp, enable_ref_frame_mvs
    found.screen_content_tools = _SELECT if bits.take() else bits.take()
    if found.screen_content_tools:
        found.integer_mv = _SELECT if bits.take() else bits.take()
    return found


def _operating_points(bits: _Bits, found: _Sequence) -> None:
    """Timing, decoder model and operating points (sections 5.5.1, 5.5.3 to 5.5.5)."""
    delay_bits = 0
    if bits.take():  # timing_info_present
        bits.take(64)  # num_units_in_display_tick, time_scale
        equal_interval = bits.take()
        if equal_interval:
            bits.skip_uvlc()  # num_ticks_per_picture_minus_1
        if bits.take():  # decoder_model_info_present
            delay_bits = bits.take(5) + 1
            bits.take(32 + 5)  # num_units_in_decoding_tick, buffer_removal_time_length_minus_1
            time_bits = bits.take(5) + 1
            found.time_bits = 0 if equal_interval else time_bits
    display_delay = bits.take()  # initial_display_delay_present
    for _ in range(bits.take(5) + 1):
        bits.take(12)  # operating_point_idc
        if bits.take(5) > 7:  # level_idx
            bits.take()  # tier
        if delay_bits and bits.take():  # decoder_model_present_for_this_op
            bits.take(2 * delay_bits + 1)  # decoder_buffer_delay, encoder_buffer_delay, low_delay_mode
        if display_delay and bits.take():  # initial_display_delay_present_for_this_op
            bits.take(4)


def _names_its_size(bits: _Bits, sequence: _Sequence) -> bool:
    """frame_size_override_flag: uncompressed_header (section 5.9.2) up to it."""
    if sequence.reduced or bits.take():  # show_existing_frame
        return False
    kind, shown = bits.take(2), bits.take()
    if shown and sequence.time_bits:
        bits.take(sequence.time_bits)  # frame_presentation_time
    if not shown:
        bits.take()  # showable_frame
    if kind != _SWITCH_FRAME and not (kind == _KEY_FRAME and shown):
        bits.take()  # error_resilient_mode
    bits.take()  # disable_cdf_update
    tools = bits.take() if sequence.screen_content_tools == _SELECT else sequence.screen_content_tools
    if tools and sequence.integer_mv == _SELECT:
        bits.take()  # force_integer_mv
    if sequence.id_bits:
        bits.take(sequence.id_bits)  # current_frame_id
    return kind == _SWITCH_FRAME or bool(bits.take())
