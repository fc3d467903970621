"""Frames become a video file: for rendered clips, and for tests that read them back."""

import io
from typing import Literal, cast

import av
import numpy as np
from av.video.stream import VideoStream

Format = Literal["mp4", "webm"]

# H.264 and VP9, by the encoders that PyAV's wheels have; quality to their own scales, good enough that a colour stays
# that colour. Without mbtree=0 x264 gives other bytes from one call to the next: seen with r165 and its AVX-512 code.
_CODECS = {
    "mp4": ("libx264", {"crf": "20", "x264-params": "mbtree=0"}),
    "webm": ("libvpx-vp9", {"crf": "20", "b:v": "0", "cpu-used": "4"}),
}


def encode(frames: np.ndarray, rate: int, form: Format = "mp4", *, keyframe_every: int = 12) -> bytes:
    """Encode frames; equal frames give equal bytes.

    Args:
        frames: (F, H, W, 3) uint8; H and W even, since colour is kept at half the resolution.
        rate: frames a second.
        form: the container: H.264 in "mp4", VP9 in "webm".
        keyframe_every: at most so many frames apart stand frames that need no other.

    Raises:
        ValueError: no frame, or a side is odd.
    """
    if len(frames) == 0 or frames.shape[1] % 2 or frames.shape[2] % 2:
        raise ValueError(
            f"frames of shape {frames.shape} cannot be encoded: give at least one, of even height and width"
        )
    codec, options = _CODECS[form]
    file = io.BytesIO()
    # bitexact: no date, no random ids
    with av.open(file, "w", format=form, container_options={"fflags": "+bitexact"}) as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=rate, options=dict(options)))
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.codec_context.gop_size = keyframe_every
        # more threads may cut the picture elsewhere, and give other bytes
        stream.codec_context.thread_count = 1
        for each in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(each), format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()
