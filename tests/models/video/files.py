"""Video files that the tests read: frames that tell their number, in every container, upright and turned, and broken."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

SIDE = 64
# far enough apart that no encoder at these settings takes one for the next
STEP = 6


def numbered(count: int = 30, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """(count, height, width, 3) frames, each in a grey that is its number."""
    levels = (np.arange(count) * STEP).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def number_of(image: Image.Image) -> int:
    """Which of the numbered frames a decoded one is."""
    return round(float(np.asarray(image, np.float32).mean()) / STEP)


def quarters(height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A frame whose four quarters are red, green, blue and white, clockwise from the top left."""
    frame = np.full((height, width, 3), 255, np.uint8)
    top, left = height // 2, width // 2
    frame[:top, :left], frame[:top, left:], frame[top:, left:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    return frame


def corners(image: Image.Image) -> str:
    """The colours of a picture's quarters, clockwise from the top left: "rgbw" for `quarters` as it is."""
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[0] // 4, pixels.shape[1] // 4
    places = [(height, width), (height, 3 * width), (3 * height, 3 * width), (3 * height, width)]
    return "".join("w" if min(pixels[place]) > 128 else "rgb"[int(pixels[place].argmax())] for place in places)


def video(
    frames: np.ndarray,
    form: str = "mp4",
    codec: str = "libx264",
    *,
    rate: int | Fraction = 8,
    gap: int = 10,
    live: bool = False,
    turn: tuple[float, bool, bool] | None = None,
    **options: str,
) -> bytes:
    """A file of *frames*, with a keyframe at least every *gap*.

    *live* WebM tells no duration; *turn* is (degrees counterclockwise, mirrored, upside down); *options* are the
    encoder's.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=form, container_options={"live": "1"} if live else {}) as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=rate, options=options))
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.codec_context.gop_size = gap
        stream.codec_context.thread_count = 1
        if turn is not None:
            stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
        for each in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def sound(*, cover: bool = False) -> bytes:
    """A file with sound alone, or with the still picture of a record's cover beside it."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000)
        art = cast("VideoStream", container.add_stream("mjpeg", rate=1)) if cover else None
        if art is not None:
            art.width, art.height, art.pix_fmt = SIDE, SIDE, "yuvj420p"
            art.disposition = Disposition.attached_pic
            container.mux(art.encode(av.VideoFrame.from_ndarray(quarters(), format="rgb24")))
            container.mux(art.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 16_000, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def growing(sizes: Sequence[int]) -> bytes:
    """A WebM whose header tells the first size, and whose frames have, one after the other, these sides (VP8)."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        stream = cast("VideoStream", container.add_stream("libvpx", rate=8))
        stream.height = stream.width = sizes[0]
        stream.pix_fmt = "yuv420p"
        for number, side in enumerate(sizes):
            for packet in _encoded(side):
                packet.stream, packet.pts, packet.dts = stream, number, number
                packet.time_base = Fraction(1, 8)
                container.mux(packet)
    return file.getvalue()


def _encoded(side: int) -> list[av.Packet]:
    """One VP8 keyframe of that side."""
    context = av.CodecContext.create("libvpx", "w")
    context.width, context.height, context.pix_fmt = side, side, "yuv420p"
    context.time_base = Fraction(1, 8)
    context.options = {"deadline": "realtime", "cpu-used": "8"}
    return [*context.encode(av.VideoFrame.from_ndarray(numbered(1, side, side)[0], format="rgb24")), *context.encode()]
