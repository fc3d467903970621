"""Which frames stand for a clip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.video.sampling import central_positions, random_positions

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
