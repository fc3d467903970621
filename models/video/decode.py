"""Untrusted bytes become chosen frames of a clip, upright RGB, within limits that are checked before work is done.

A file is first taken apart without decoding: its packets tell how many frames there are, when each is shown and which
need no other. Then only the runs from such a keyframe to a frame that is asked for are decoded. FFmpeg gets the bytes
alone: it can open no other file and no address, and playlists are no video to it.

Colour is what FFmpeg's conversion makes of it; alpha is dropped and pixels are taken to be square, as for images.
"""

import io
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class VideoLimits:
    """What one video may cost.

    Attributes:
        max_bytes: of the file; as many again are held while it is read.
        max_pixels: width x height of a frame; decoding takes up to 20 bytes each, for each frame that others refer to.
        max_seconds: from the first frame to the last.
        max_frames: in the whole file, whether asked for or not.
        max_decoded_pixels: of all frames decoded for one `Clip.read`, those between a keyframe and the one that is
            asked for included. A core decodes some 10^8 of them a second.
    """

    max_bytes: int = 512 * 2**20
    max_pixels: int = 40_000_000
    max_seconds: float = 3600
    max_frames: int = 250_000
    max_decoded_pixels: int = 20_000_000_000


class Clip:
    """An opened video file.

    Attributes:
        size: width and height of a frame as it is stored, before it is turned upright.
        count: how many frames it has.
        seconds: from the first frame to the last; None where the file does not tell when its frames are shown.
    """

    def __init__(self, stream: VideoStream, packets: list["Packet[VideoStream]"], limits: VideoLimits) -> None:
        self._stream = stream
        self._packets = packets
        self._limits = limits
        shown = [each for each in packets if not each.is_discard]
        given = [each.pts for each in shown if each.pts is not None]
        times = sorted(set(given))
        # Frames need a time each. Where decoding reorders them and their times do not (AVI), the times are not theirs.
        timed = len(times) == len(shown) and not (stream.codec_context.has_b_frames and given == times)
        # without times, frames are counted as they come out of the decoder
        self._times = times if timed else []
        self._keys = [
            (each.pts, place) for place, each in enumerate(packets) if each.is_keyframe and each.pts is not None
        ]
        self.size = (stream.width, stream.height)
        self.count = len(shown)
        self.seconds = float((times[-1] - times[0]) * (stream.time_base or 0)) if times else None

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
        if wanted != sorted(wanted) or (wanted and not 0 <= wanted[0] <= wanted[-1] < self.count):
            raise ValueError(f"positions {wanted} of a clip of {self.count:,} frames: they must rise, each below that")
        budget = _Budget(self._limits.max_decoded_pixels)
        run: _Run | None = None
        place, image = -1, None
        for target in wanted:
            if image is None or place < target:
                with _damage_told():
                    start = self._start(target)
                    if run is None or start > run.fed:
                        run = _Run(self._stream, self._packets, self._times, start, budget)
                    place, frame = run.first_at(target)
                    # frames need not have the size that the header tells
                    _check_size(frame.width, frame.height, self._limits)
                    image = _upright(frame)
            if abs(place - target) > _NEAR:
                raise VideoUnreadable(f"frame {target + 1:,} of {self.count:,} cannot be decoded: {_MEND}")
            yield image

    def _start(self, target: int) -> int:
        """Number of the packet from which the frame at *target* can be decoded."""
        if not self._times:
            return 0
        before = bisect_right(self._keys, (self._times[target], len(self._packets)))
        return self._keys[before - 1][1] if before else 0


@contextmanager
def open_clip(source: bytes | Path, limits: VideoLimits = VideoLimits()) -> Generator[Clip]:
    """Open a video file and take it apart, without decoding it.

    Args:
        source: the file's bytes, or where it lies.
        limits: refused beyond these.

    Raises:
        VideoTooLarge: too many bytes, pixels, seconds or frames.
        VideoUnreadable: of no known format, truncated or damaged, or without a picture.
    """
    with ExitStack() as held:
        with _damage_told():
            file = io.BytesIO(source) if isinstance(source, bytes) else held.enter_context(source.open("rb"))
            _check_bytes(file, limits)
            container = held.enter_context(av.open(file, "r", container_options=_ALONE, metadata_errors="replace"))
            stream = _stream(container, limits)
            clip = Clip(stream, _packets(container, stream, limits), limits)
            if clip.seconds is not None:
                _check_seconds(clip.seconds, limits)
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
    """Frames from one keyframe on, in the order of showing.

    Attributes:
        fed: number of the packet that the decoder is given next.
    """

    def __init__(
        self, stream: VideoStream, packets: list["Packet[VideoStream]"], times: list[int], start: int, budget: _Budget
    ) -> None:
        self.fed = start
        self._context = stream.codec_context
        self._packets = packets
        self._times = times
        self._budget = budget
        self._last: tuple[int, VideoFrame] | None = None
        self._frames = self._decode(start)

    def first_at(self, target: int) -> tuple[int, VideoFrame]:
        """The first frame at *target* or after it, with its position; at the end of the file the last before it."""
        for shown in self._frames:
            self._last = shown
            if shown[0] >= target:
                break
        if self._last is None:
            raise VideoUnreadable(f"not one frame can be decoded: {_MEND}")
        return self._last

    def _decode(self, start: int) -> Iterator[tuple[int, VideoFrame]]:
        self._context.flush_buffers()
        count = 0
        # an empty packet tells the decoder to give what it still holds
        for packet in [*self._packets[start:], None]:
            self._budget.spend(self._context.width * self._context.height if packet else 0)
            try:
                found = self._context.decode(packet)
            except FFmpegError:
                # as players do: what is asked for may still be there
                found = []
            self.fed += 1
            for frame in found:
                place = count if frame.pts is None or not self._times else bisect_left(self._times, frame.pts)
                yield place, frame
                count += 1


def _check_bytes(file: BinaryIO, limits: VideoLimits) -> None:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > limits.max_bytes:
        raise VideoTooLarge(
            f"the video file has {size:,} bytes, {limits.max_bytes:,} are allowed: shorten or shrink it"
        )


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


def _packets(container: InputContainer, stream: VideoStream, limits: VideoLimits) -> list["Packet[VideoStream]"]:
    """All frames, still encoded, in the order of decoding."""
    packets: list[Packet[VideoStream]] = []
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise VideoUnreadable(f"the video is cut off after {len(packets):,} frames: send the whole file")
        if packet.size:
            packets.append(packet)
        if len(packets) > limits.max_frames:
            raise VideoTooLarge(f"the video has more than {limits.max_frames:,} frames: shorten it")
    if not any(not each.is_discard for each in packets):
        raise VideoUnreadable("the video has no frame: send one that shows something")
    return packets


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
