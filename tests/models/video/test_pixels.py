"""A video file as the image tower's pixels."""

from pathlib import Path

import numpy as np
import pytest

from models.image import prepare
from models.manifest import Preprocess
from models.video.decode import open_clip
from models.video.encode import encode
from models.video.errors import VideoTooLarge
from models.video.limits import VideoLimits
from models.video.pixels import clip_pixels
from tests.models.video.files import STEP, numbered

SPEC = Preprocess(size=32, resize="squash", interpolation="bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture(scope="module")
def clip() -> bytes:
    """Twenty-four numbered frames of 64 x 48 pixels."""
    return encode(numbered(24, 48, 64), 8)


def _numbers(pixels: np.ndarray) -> list[int]:
    return [round(float(frame.mean()) / STEP) for frame in pixels]


def test_each_frame_goes_the_way_of_pictures(clip: bytes) -> None:
    """A frame of a clip has the pixels that `models.image.prepare` gives the same picture."""
    pixels = clip_pixels(clip, SPEC, 4)

    with open_clip(clip) as opened:
        expected = [prepare(image, SPEC) for image in opened.read([3, 9, 15, 21])]
    assert ((4, 32, 32, 3), np.uint8) == (pixels.shape, pixels.dtype)
    np.testing.assert_array_equal(np.stack(expected), pixels)


def test_without_a_generator_the_middles_come(clip: bytes, tmp_path: Path) -> None:
    """Evaluation sees the same frames every time, from bytes and from a file."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip)

    assert [2, 6, 10, 14, 18, 22] == _numbers(clip_pixels(clip, SPEC, 6))
    np.testing.assert_array_equal(clip_pixels(clip, SPEC, 6), clip_pixels(path, SPEC, 6))


def test_a_generator_draws_within_segments(clip: bytes) -> None:
    """Training sees one frame of each segment, others each time, the same for equal generators."""
    drawn = [_numbers(clip_pixels(clip, SPEC, 4, np.random.default_rng(seed))) for seed in (0, 1, 2, 0)]

    assert drawn[0] == drawn[3]
    assert len({tuple(each) for each in drawn}) > 1
    assert all([0, 1, 2, 3] == [number // 6 for number in each] for each in drawn)


def test_a_short_clip_shows_frames_again() -> None:
    """Two frames asked for five."""
    assert [0, 0, 1, 1, 1] == _numbers(clip_pixels(encode(numbered(2), 8), SPEC, 5))


def test_limits_are_passed_on(clip: bytes) -> None:
    """What may be decoded is the caller's to say."""
    with pytest.raises(VideoTooLarge):
        clip_pixels(clip, SPEC, 4, limits=VideoLimits(max_frames=3))
