"""Which frames stand for a clip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.video.sampling import central_positions, moment_positions, random_positions

counts, amounts = st.integers(1, 5000), st.integers(1, 64)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@settings(max_examples=30)
@given(counts, amounts, generators)
def test_positions_are_frames_in_order(count: int, frames: int, rng: np.random.Generator) -> None:
    """As many as asked for, none beyond the clip, never going back."""
    for positions in (central_positions(count, frames), random_positions(count, frames, rng)):
        assert (frames,) == positions.shape
        assert np.issubdtype(positions.dtype, np.integer)
        assert 0 <= positions.min() <= positions.max() < count
        assert (np.diff(positions) >= 0).all()


@settings(max_examples=30)
@given(counts, amounts, generators)
def test_each_segment_has_one(count: int, frames: int, rng: np.random.Generator) -> None:
    """Position i lies in the i-th of n equal segments, whole frames that begin in it or reach into it counted."""
    begins, ends = np.arange(frames) * count / frames, (np.arange(frames) + 1) * count / frames

    for positions in (central_positions(count, frames), random_positions(count, frames, rng)):
        assert (positions >= np.floor(begins)).all()
        assert (positions < ends).all()


@settings(max_examples=30)
@given(st.integers(1, 64), st.integers(1, 100), generators)
def test_a_clip_of_enough_frames_shows_none_twice(frames: int, times: int, rng: np.random.Generator) -> None:
    """Where each segment holds whole frames, all positions differ."""
    for positions in (central_positions(frames * times, frames), random_positions(frames * times, frames, rng)):
        assert frames == len(set(positions.tolist()))


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(0, 40))
def test_the_middle_is_the_same_backwards(frames: int, half: int) -> None:
    """Segments of odd length have a middle frame: a clip played backwards shows the same frames."""
    count = frames * (2 * half + 1)

    positions = central_positions(count, frames)

    np.testing.assert_array_equal(positions, (count - 1 - positions)[::-1])


def test_known_positions() -> None:
    """Four of eight, one of nine, all of three, and three frames stretched to six."""
    assert [1, 3, 5, 7] == central_positions(8, 4).tolist()
    assert [4] == central_positions(9, 1).tolist()
    assert [0, 1, 2] == central_positions(3, 3).tolist()
    assert [0, 0, 1, 1, 2, 2] == central_positions(3, 6).tolist()


def test_chance_reaches_every_frame() -> None:
    """Drawn often enough, each frame of a clip is shown, and each segment is drawn from alone."""
    rng = np.random.default_rng(0)

    drawn = np.stack([random_positions(12, 3, rng) for _ in range(200)])

    assert [set(range(4)), set(range(4, 8)), set(range(8, 12))] == [set(column) for column in drawn.T.tolist()]


def test_equal_generators_draw_equally() -> None:
    """The generator is the only source of chance."""
    first, again = (random_positions(300, 8, np.random.default_rng(3)) for _ in range(2))

    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(("count", "frames"), [(0, 4), (4, 0), (-1, 2), (2, -1)])
def test_nothing_of_nothing(count: int, frames: int) -> None:
    """No frame there, or none asked for, is a mistake of the caller's."""
    for draw in (central_positions, lambda c, f: random_positions(c, f, np.random.default_rng(0))):
        with pytest.raises(ValueError, match="at least 1"):
            draw(count, frames)


@st.composite
def _clips(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Times of frames, evenly spread or not, and some of them keyframes, the first always."""
    gaps = draw(st.lists(st.floats(0.01, 5), min_size=0, max_size=60))
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    keys = draw(st.sets(st.integers(0, len(times) - 1)))
    return times, np.array(sorted({0, *keys}), np.int64)


@settings(max_examples=60)
@given(_clips(), st.floats(0.05, 10), st.integers(1, 40))
def test_moments_rise_and_are_no_more_than_asked_for(
    clip: tuple[np.ndarray, np.ndarray], every: float, most: int
) -> None:
    """At least one, at most as many as may be, each a frame of the clip, none twice."""
    positions = moment_positions(*clip, every, most)

    assert 1 <= len(positions) <= most
    assert (np.diff(positions) > 0).all() and 0 <= positions[0] and positions[-1] < len(clip[0])


@settings(max_examples=60)
@given(_clips(), st.floats(0.05, 10), st.integers(1, 40))
def test_no_frame_is_far_from_a_moment(clip: tuple[np.ndarray, np.ndarray], every: float, most: int) -> None:
    """Whatever is shown at any time is shown by a moment within a stretch of it, and the time that a frame stays on show."""
    times, keys = clip
    positions = moment_positions(times, keys, every, most)
    lasts = times[-1] * len(times) / max(len(times) - 1, 1)
    stretch = max(every, lasts / most)

    middles = (np.arange(200) + 0.5) * lasts / 200
    shown = np.searchsorted(times, middles, side="right") - 1
    near = np.abs(times[positions][None] - middles[:, None]).min(axis=1)

    stays = max(np.diff(times).max(initial=0.0), lasts - times[-1])
    assert ((near <= stretch + stays + 1e-6) | np.isin(shown, positions)).all()


def test_a_keyframe_stands_for_its_stretch() -> None:
    """The one nearest to the middle; where there is none, the frame that is shown in the middle."""
    times, keys = np.arange(16) / 4, np.array([0, 1, 3, 9])

    assert [1, 6, 9, 14] == moment_positions(times, keys, 1.0, 128).tolist()


@pytest.mark.parametrize(("times", "every", "most"), [([], 1.0, 1), ([0.0], 0.0, 1), ([0.0], 1.0, 0)])
def test_no_moments_of_nothing(times: list[float], every: float, most: int) -> None:
    """No frame, no step, none asked for: a mistake of the caller's."""
    with pytest.raises(ValueError, match="must be above 0"):
        moment_positions(np.array(times), np.zeros(0, np.int64), every, most)
