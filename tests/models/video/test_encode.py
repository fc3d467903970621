"""Frames become a video file."""

from typing import get_args

import numpy as np
import pytest

from models.scenes.clips import render_clip, sample_clip
from models.video.decode import open_clip
from models.video.encode import Format, encode
from tests.models.video.files import number_of, numbered

FORMATS: tuple[Format, ...] = get_args(Format)


@pytest.mark.parametrize("form", FORMATS)
def test_frames_come_back(form: Format) -> None:
    """All of them, in order, in their size, a few levels off at most."""
    frames = numbered(20, 48, 64)
    frames[:, :24, :32] = (200, 40, 60)

    with open_clip(encode(frames, 8, form)) as clip:
        found = np.stack([np.asarray(image) for image in clip.read(range(clip.count))])

    assert frames.shape == found.shape
    assert np.abs(frames.astype(int) - found).mean() < 4


@pytest.mark.parametrize("form", FORMATS)
def test_equal_frames_give_equal_files(form: Format) -> None:
    """No date and no chance in the bytes: a corpus can be made again, whatever was encoded before."""
    clips = [
        render_clip(sample_clip(np.random.default_rng(seed), "test"), np.random.default_rng(seed), 64)
        for seed in (0, 1)
    ]

    first, *others = ([encode(frames, 8, form) for frames in clips] for _ in range(4))

    assert all(first == each for each in others)


@pytest.mark.parametrize("rate", [2, 25])
def test_the_rate_is_kept(rate: int) -> None:
    """Frames stand 1/rate s apart."""
    with open_clip(encode(numbered(11), rate)) as clip:
        assert pytest.approx(10 / rate) == clip.seconds


def test_one_frame_is_a_video() -> None:
    """The shortest clip there is."""
    with open_clip(encode(numbered(1), 8)) as clip:
        assert [0] == [number_of(image) for image in clip.read([0])]


@pytest.mark.parametrize("shape", [(0, 64, 64, 3), (3, 63, 64, 3), (3, 64, 63, 3)])
def test_what_cannot_be_encoded(shape: tuple[int, ...]) -> None:
    """No frames, or odd sides."""
    with pytest.raises(ValueError, match="even height and width"):
        encode(np.zeros(shape, np.uint8), 8)
