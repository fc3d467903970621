"""What packets tell of frames: their number, times and order, and what it takes to decode some."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.video.decode import open_clip
from models.video.outline import UNTIMED, Outline
from tests.models.video.files import numbered, video


def _outline(ticks: list[int], keys: list[int], *, delay: int = 0, hidden: tuple[int, ...] = ()) -> Outline:
    count = len(ticks)
    shown = np.array([at not in hidden for at in range(count)])
    return Outline(np.array(ticks, np.int64), np.isin(np.arange(count), keys), shown, delay)


def test_frames_are_ordered_by_their_times() -> None:
    """Packets come as they are decoded, positions count as frames are shown; hidden ones are none."""
    outline = _outline([0, 40, 20, 10, 99, 50], [0, 5], delay=2, hidden=(4,))

    assert (5, (0, 50), [0, 10, 20, 40, 50]) == (outline.count, outline.span, outline.times.tolist())
    assert [0, 4] == outline.key_positions.tolist()


def test_times_that_are_not_the_frames() -> None:
    """Missing, repeated, or rising although frames are reordered: then there are none, and all is decoded from the start."""
    for outline in (
        _outline([0, UNTIMED, 20], [0, 2], delay=1),
        _outline([0, 10, 10], [0, 2], delay=1),
        _outline([0, 10, 20], [0, 2], delay=1),
    ):
        assert (0, [], 0) == (len(outline.times), outline.key_positions.tolist(), outline.start(2))


def test_untimed_frames_that_come_in_order() -> None:
    """Where nothing is reordered, the packets' order is the frames'."""
    outline = _outline([UNTIMED] * 4, [0, 2])

    assert (None, [0, 2]) == (outline.span, outline.key_positions.tolist())


def test_decoding_starts_at_the_keyframe_before() -> None:
    """The last one that is shown no later."""
    outline = _outline([0, 10, 20, 30, 40, 50], [0, 3])

    assert [0, 0, 0, 3, 3, 3] == [outline.start(position) for position in range(6)]


def test_what_it_costs() -> None:
    """From each keyframe to the frame; what was decoded on the way to one counts for the next."""
    outline = _outline(list(range(0, 100, 10)), [0, 5])

    assert [1, 3, 3, 1, 5, 0] == [
        outline.packets_to_decode(positions) for positions in ([0], [2], [1, 2, 2], [5], [2, 6], [])
    ]


@settings(max_examples=20)
@given(positions=st.lists(st.integers(0, 39), min_size=1, max_size=5), gap=st.sampled_from([1, 7, 40]))
def test_the_cost_is_a_bound(positions: list[int], gap: int) -> None:
    """No fewer packets than lie between keyframe and frame, no more than there are."""
    keys = list(range(0, 40, gap))
    outline = _outline(list(range(40)), keys)

    cost = outline.packets_to_decode(sorted(positions))

    assert len(set(positions)) <= cost <= min(40, sum(position % gap + 1 for position in set(positions)))


def test_of_a_real_file() -> None:
    """Thirty frames, reordered, a keyframe every ten: thirty times, an eighth of a second apart, and three keyframes."""
    with open_clip(video(numbered(30), bf="2", sc_threshold="0")) as clip:
        outline, times = clip.outline, clip.times

    assert (30, [0, 10, 20]) == (outline.count, outline.key_positions.tolist())
    np.testing.assert_allclose(np.arange(30) / 8, times, atol=1e-6)
