"""A video's moments: right frames at right times, whatever the file is like, at a bounded cost."""

import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from models.image import prepare
from models.manifest import Preprocess
from models.video.decode import open_clip
from models.video.errors import VideoTooLarge, VideoUnreadable
from models.video.limits import VideoLimits
from models.video.moments import read_moments
from models.video.sampling import Sampling
from tests.models.video.files import SIDE, STEP, growing, number_of, numbered, quarters, sound, video

SPEC = Preprocess(size=32, resize="squash", interpolation="bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)


def _numbers(pixels: np.ndarray) -> list[int]:
    return [round(float(frame.mean()) / STEP) for frame in pixels]


@pytest.fixture(scope="module")
def plain() -> bytes:
    """Forty numbered frames, 8 a second, a keyframe every forty: 5 s."""
    return video(numbered(40), gap=40, sc_threshold="0")


def test_one_a_second(plain: bytes) -> None:
    """Five stretches of eight frames: the first has the keyframe, of the others the frame shown in the middle."""
    moments = read_moments(plain, SPEC)

    assert [0, 12, 20, 28, 36] == _numbers(moments.pixels)
    np.testing.assert_allclose([0, 1.5, 2.5, 3.5, 4.5], moments.seconds)
    assert ((SIDE, SIDE), 39 / 8) == (moments.size, moments.lasts)


def test_pixels_go_the_way_of_pictures(plain: bytes) -> None:
    """What the tower gets is what the one image path makes of the frame, and the still shows the same."""
    moments = read_moments(plain, SPEC, Sampling(every=2))
    with open_clip(plain) as clip:
        frames = list(clip.read(_numbers(moments.pixels)))

    np.testing.assert_array_equal(np.stack([prepare(frame, SPEC) for frame in frames]), moments.pixels)
    assert _numbers(moments.pixels) == [number_of(Image.open(io.BytesIO(still))) for still in moments.stills]


def test_never_more_than_asked_for(plain: bytes) -> None:
    """A long video has its moments further apart, over its whole length."""
    moments = read_moments(plain, SPEC, Sampling(every=0.1, most=4))

    assert [0, 15, 25, 35] == _numbers(moments.pixels)


def test_keyframes_are_preferred() -> None:
    """A stretch with a keyframe is seen by it: nothing else is decoded for it."""
    data = video(numbered(40), gap=8, sc_threshold="0", bf="0")
    limits = VideoLimits(max_decoded_pixels=5 * SIDE * SIDE)

    assert [0, 8, 16, 24, 32] == _numbers(read_moments(data, SPEC, limits=limits).pixels)


def test_what_costs_too_much_is_seen_by_its_keyframes() -> None:
    """Half a second apart there are ten moments, for which all would be decoded: five keyframes are affordable."""
    data = video(numbered(40), gap=8, sc_threshold="0", bf="0")

    def seen(packets: int) -> list[int]:
        limits = VideoLimits(max_decoded_pixels=packets * SIDE * SIDE)
        return _numbers(read_moments(data, SPEC, Sampling(every=0.5), limits).pixels)

    assert [0, 6, 8, 14, 16, 22, 24, 30, 32, 38] == seen(40)
    assert [0, 8, 16, 24, 32] == seen(20)
    with pytest.raises(VideoTooLarge, match="smaller or with more keyframes"):
        seen(4)


def test_one_keyframe_does_not_stand_for_an_hour(plain: bytes) -> None:
    """Where keyframes are too few to tell what is shown, and the rest costs too much, that is said."""
    with pytest.raises(VideoTooLarge, match="for 5 moments"):
        read_moments(plain, SPEC, limits=VideoLimits(max_decoded_pixels=10 * SIDE * SIDE))


def test_stills_are_small_and_upright() -> None:
    """A telephone's video is turned, its size told as it is shown, and the longer side of a still is bounded."""
    data = video(np.stack([quarters(48, 64)] * 2), turn=(90, False, False), crf="5")

    moments = read_moments(data, SPEC, Sampling(still_side=32))

    assert (48, 64) == moments.size
    assert ["JPEG"] == [Image.open(io.BytesIO(still)).format for still in moments.stills]
    assert [(24, 32)] == [Image.open(io.BytesIO(still)).size for still in moments.stills]


def test_a_still_is_not_made_larger(plain: bytes) -> None:
    """Small frames stay as they are."""
    assert (SIDE, SIDE) == Image.open(io.BytesIO(read_moments(plain, SPEC).stills[0])).size


def test_a_frame_that_stands_is_one_moment() -> None:
    """Of uneven rate: three frames, 30 s apart, are three moments and not sixty."""
    data = video(numbered(3), "matroska", "libvpx", rate=Fraction(1, 30))

    moments = read_moments(data, SPEC)

    assert [0, 1, 2] == _numbers(moments.pixels)
    np.testing.assert_allclose([0, 30, 60], moments.seconds)


@pytest.mark.parametrize(("form", "codec"), [("avi", "libx264"), ("mpegts", "libx264"), ("webm", "libvpx")])
def test_containers_without_times_or_durations(form: str, codec: str) -> None:
    """Where the file tells neither, frames are spread evenly over it, and the moments come."""
    moments = read_moments(video(numbered(24), form, codec, live=form == "webm"), SPEC)

    assert 3 == len(moments.pixels)
    np.testing.assert_allclose(np.array(_numbers(moments.pixels)) / 8, moments.seconds, atol=0.05)


def test_one_frame_is_one_moment() -> None:
    """The shortest video there is."""
    moments = read_moments(video(numbered(1)), SPEC)

    assert ([0.0], 0.0) == (moments.seconds.tolist(), moments.lasts)


def test_damage_in_the_middle_costs_its_moments_alone() -> None:
    """Frames that do not decode are passed over: the next good one stands for them, once and at its own time."""
    data = growing([SIDE] * 4 + [512] * 12 + [SIDE] * 4)

    moments = read_moments(data, SPEC, Sampling(every=0.5), VideoLimits(max_pixels=SIDE * SIDE))

    assert moments.seconds.tolist() == sorted(set(moments.seconds.tolist()))
    assert 0 < len(moments.seconds) < 5
    assert all(seconds < 0.5 or seconds >= 2 for seconds in moments.seconds)


@pytest.mark.parametrize("data", [b"", b"\0" * 4096, sound(), video(numbered(30))[:2000]])
def test_what_is_no_video_is_told(data: bytes) -> None:
    """Empty, zeros, sound alone, cut off: one kind of error, with its sentence."""
    with pytest.raises(VideoUnreadable):
        read_moments(data, SPEC)


@pytest.mark.parametrize("field", [{"every": 0.0}, {"every": float("nan")}, {"most": 0}, {"still_side": 0}])
def test_samplings_that_mean_nothing(field: dict[str, float]) -> None:
    """No step, no moment, no picture."""
    with pytest.raises(ValueError, match="above 0"):
        Sampling(**field)  # pyright: ignore[reportArgumentType]
