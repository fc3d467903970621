"""Untrusted bytes become chosen frames of a clip, upright RGB, within limits that are checked before work is done.

A file is first taken apart without decoding: its packets tell how many frames there are, when each is shown and which
need no other. Then it is read once more, and only the runs from such a keyframe to a frame that is asked for are decoded:
no more of it is held than one packet. FFmpeg gets the bytes alone: it can open no other file and no address, and
playlists are no video to it.

Colour is what FFmpeg's conversion makes of it; alpha is dropped and pixels are taken to be square, as for images.
"""

import io
import struct
from array import array
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from models.errors import InputError
from models.video.errors import VideoTooLarge, VideoUnreadable
from models.video.limits import VideoLimits, check_bytes
from models.video.outline import UNTIMED, Outline

# FFmpeg's names of containers that hold their pictures themselves; a playlist (HLS, DASH, concat) names other files
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif"
# what cameras, browsers and published data sets use; FFmpeg has a hundred more decoders, less looked after
CODECS = frozenset((
    "h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "h263", "theora", "gif",
    "msmpeg4", "msmpeg4v2", "wmv1", "wmv2", "wmv3", "vc1", "flv",
))  # fmt: skip

# What PyAV lets escape on damaged files: its own errors, and Python's from inside the readers.
_DAMAGE = (FFmpegError, OSError, ValueError, EOFError, LookupError, ArithmeticError, TypeError, AttributeError)

# FFmpeg's own names for: only these containers, and no other file or address
_ALONE = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
_MEND = "encode it again with another program"

# A frame that does not decode (a hidden one of VP8, a damaged one) is replaced by the next that does, if it is so near.
_NEAR = 3
# frames a second, of a file that tells neither their times nor how many there are
_USUAL_RATE = 25


class Clip:
    """A video file that was taken apart; what its frames are is known, and none is decoded yet. One `read` at a time.

    Attributes:
        size: width and height of a frame as it is stored, before it is turned upright.
        count: how many frames it has.
        seconds: from the first frame to the last; None where the file does not tell when its frames are shown.
        outline: what the packets tell of the frames.
    """

    def __init__(self, file: BinaryIO, limits: VideoLimits) -> None:
        self._file = file
        self._limits = limits
        with _opened(file, limits) as (container, stream):
            self.outline = _outline(container, stream, limits)
            self.size = (stream.width, stream.height)
            tick = float(stream.time_base or 0)
            span, rate = self.outline.span, float(stream.average_rate or stream.guessed_rate or 0)
        self.count = self.outline.count
        self.seconds = (span[1] - span[0]) * tick if span else None
        self._times = self._seconds(tick, rate)
        _check_seconds(self.seconds or 0, limits)

    @property
    def times(self) -> np.ndarray:
        """(count,) float64 seconds from the first frame to each, rising; evenly spread where the file does not tell."""
        return self._times

    def _seconds(self, tick: float, rate: float) -> np.ndarray:
        if len(self.outline.times):
            return (self.outline.times - self.outline.times[0]) * tick
        gap = self.seconds / max(self.count - 1, 1) if self.seconds else 1 / (rate or _USUAL_RATE)
        return np.arange(self.count) * gap

    def read(self, positions: Sequence[int] | np.ndarray) -> Iterator[Image.Image]:
        """Decode the frames at *positions*, which count from 0 in the order of showing and must not decrease.

        Yields:
            An upright RGB image for each, one at a time; the same again for a position that is repeated.

        Raises:
            ValueError: positions decrease, or there is no such frame.
            VideoUnreadable: frames are damaged.
            VideoTooLarge: more would have to be decoded than the limits allow.
        """
        wanted = [int(each) for each in positions]
        for target, (place, image) in zip(wanted, self.nearest(wanted), strict=True):
            if abs(place - target) > _NEAR:
                raise VideoUnreadable(f"frame {target + 1:,} of {self.count:,} cannot be decoded: {_MEND}")
            yield image

    def nearest(self, positions: Sequence[int] | np.ndarray) -> Iterator[tuple[int, Image.Image]]:
        """As `read`, however damaged the file is: the first frame at each position or after it that can be decoded.

        At the end of the file it is the last before it.

        Yields:
            The position of each frame that came, and the frame.
        """
        wanted = [int(each) for each in positions]
        if wanted != sorted(wanted) or (wanted and not 0 <= wanted[0] <= wanted[-1] < self.count):
            raise ValueError(f"positions {wanted} of a clip of {self.count:,} frames: they must rise, each below that")
        place, image = -1, None
        with ExitStack() as held:
            run: _Run | None = None
            for target in wanted:
                if image is None or place < target:
                    with _damage_told():
                        if run is None:
                            container, stream = held.enter_context(_opened(self._file, self._limits))
                            run = _Run(stream, _filled(container, stream), self.outline, self._limits)
                        place, frame = run.first_at(target)
                        # frames need not have the size that the header tells
                        _check_size(frame.width, frame.height, self._limits)
                        image = _upright(frame)
                yield place, image


@contextmanager
def open_clip(source: bytes | Path | BinaryIO, limits: VideoLimits = VideoLimits()) -> Generator[Clip]:
    """Open a video file and take it apart, without decoding it. It is read twice, and not held.

    Args:
        source: the file's bytes, or where it lies, or the file itself, opened for reading with seek.
        limits: refused beyond these.

    Raises:
        VideoTooLarge: too many bytes, pixels, seconds or frames.
        VideoUnreadable: of no known format, truncated or damaged, or without a picture.
    """
    with ExitStack() as held:
        with _damage_told():
            if isinstance(source, Path):
                source = held.enter_context(source.open("rb"))
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            check_bytes(file, limits)
            clip = Clip(file, limits)
        yield clip


class _Budget:
    """Pixels that may still be decoded."""

    def __init__(self, pixels: int) -> None:
        self._allowed = self._left = pixels

    def spend(self, pixels: int) -> None:
        self._left -= pixels
        if self._left < 0:
            raise VideoTooLarge(
                f"more than {self._allowed:,} pixels would have to be decoded to reach the frames asked for: encode the "
                "video again, smaller or with more keyframes"
            )


class _Run:
    """One way through the file: frames in the order of showing, from one keyframe to another where that spares work."""

    def __init__(
        self, stream: VideoStream, packets: "Iterator[Packet[VideoStream]]", outline: Outline, limits: VideoLimits
    ) -> None:
        self._context = stream.codec_context
        self._packets = packets
        self._outline = outline
        self._budget = _Budget(limits.max_decoded_pixels)
        # number of the packet that comes next
        self._next = 0
        self._last: tuple[int, VideoFrame] | None = None
        self._frames: Iterator[tuple[int, VideoFrame]] | None = None

    def first_at(self, target: int) -> tuple[int, VideoFrame]:
        """The first frame at *target* or after it, with its position; at the end of the file the last before it."""
        start = self._outline.start(target)
        if self._frames is None or start > self._next:
            for _ in islice(self._packets, start - self._next):
                self._next += 1
            self._last, self._frames = None, self._decode()
        for shown in self._frames:
            self._last = shown
            if shown[0] >= target:
                break
        if self._last is None:
            raise VideoUnreadable(f"not one frame can be decoded: {_MEND}")
        return self._last

    def _decode(self) -> Iterator[tuple[int, VideoFrame]]:
        self._context.flush_buffers()
        times = self._outline.times
        count = 0
        # an empty packet tells the decoder to give what it still holds
        for packet in chain(self._packets, (None,)):
            self._budget.spend(self._context.width * self._context.height if packet else 0)
            try:
                found = self._context.decode(packet)
            except FFmpegError:
                # as players do: what is asked for may still be there
                found = []
            self._next += 1
            for frame in found:
                place = count if frame.pts is None or not len(times) else int(np.searchsorted(times, frame.pts))
                yield place, frame
                count += 1


@contextmanager
def _opened(file: BinaryIO, limits: VideoLimits) -> Generator[tuple[InputContainer, VideoStream]]:
    file.seek(0)
    with av.open(file, "r", container_options=_ALONE, metadata_errors="replace") as container:
        yield container, _stream(container, limits)


def _stream(container: InputContainer, limits: VideoLimits) -> VideoStream:
    """The first stream of pictures, ready to be decoded; the cover of a song is none."""
    streams = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not streams:
        raise VideoUnreadable("the file has no video stream: send one with moving pictures")
    context = streams[0].codec_context
    # there is no context where FFmpeg has no decoder, whatever the types say
    name = getattr(context, "name", "a codec that FFmpeg does not know")
    if name not in CODECS:
        raise VideoUnreadable(f"the video is encoded with {name}: encode it as H.264, VP9 or AV1")
    _check_size(context.width, context.height, limits)
    declared = container.duration
    if declared is not None:
        _check_seconds(declared / av.time_base, limits)
    # Frames may be larger than the header says. Twice, since decoders count whole blocks of up to 64 pixels.
    context.options = {"max_pixels": str(max(2 * limits.max_pixels, 2**16))}
    # clips are decoded beside each other; threads within one hold more frames and tell damage late
    context.thread_count = 1
    return streams[0]


def _filled(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """The packets that hold something: one at the end holds nothing."""
    return (packet for packet in container.demux(stream) if packet.size)


def _outline(container: InputContainer, stream: VideoStream, limits: VideoLimits) -> Outline:
    """What is said of all frames, in the order of decoding; what they hold is let go."""
    ticks, keys, shown = array("q"), bytearray(), bytearray()
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise VideoUnreadable(f"the video is cut off after {len(ticks):,} frames: send the whole file")
        if packet.size:
            ticks.append(UNTIMED if packet.pts is None else packet.pts)
            keys.append(packet.is_keyframe)
            shown.append(not packet.is_discard)
        if len(ticks) > limits.max_frames:
            raise VideoTooLarge(f"the video has more than {limits.max_frames:,} frames: shorten it")
    if not any(shown):
        raise VideoUnreadable("the video has no frame: send one that shows something")
    delay = int(stream.codec_context.has_b_frames)
    return Outline(np.array(ticks, np.int64), np.array(keys, bool), np.array(shown, bool), delay)


def _check_size(width: int, height: int, limits: VideoLimits) -> None:
    if min(width, height) < 1:
        raise VideoUnreadable(f"the video is {width} x {height} pixels: it holds nothing")
    if width * height > limits.max_pixels:
        raise VideoTooLarge(
            f"the video is {width:,} x {height:,} pixels, at most {limits.max_pixels:,} in all are allowed: shrink it"
        )


def _check_seconds(seconds: float, limits: VideoLimits) -> None:
    if seconds > limits.max_seconds:
        raise VideoTooLarge(f"the video lasts {seconds:,.0f} s, {limits.max_seconds:,g} s are allowed: shorten it")


def _upright(frame: VideoFrame) -> Image.Image:
    """RGB, turned and mirrored as the file's display matrix says, to the nearest quarter turn."""
    pixels = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        # x' = a x + c y, y' = b x + d y (libavutil/display.h)
        a, b, _, c, d = struct.unpack_from("<5i", bytes(matrix))
        if abs(a) + abs(d) < abs(b) + abs(c):
            pixels, a, d = pixels.swapaxes(0, 1), c, b
        pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return Image.fromarray(np.ascontiguousarray(pixels))


@contextmanager
def _damage_told() -> Generator[None]:
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise VideoTooLarge(f"the video needs too much memory ({error}): shrink it") from error
    except _DAMAGE as error:
        raise VideoUnreadable(f"the video is truncated or damaged ({_brief(error)}): {_MEND}") from error


def _brief(error: BaseException) -> str:
    said = error.strerror if isinstance(error, FFmpegError) else str(error)
    return said or type(error).__name__
