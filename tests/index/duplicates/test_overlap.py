"""One picture within another."""

import numpy as np
import pytest
from PIL import Image

from index.duplicates.overlap import SAME, is_plain, overlap, same_picture
from tests.index.duplicates.made import photograph


def _pictures() -> tuple[Image.Image, Image.Image]:
    return photograph(1), photograph(2)


@pytest.mark.parametrize("box", [(0, 0, 160, 120), (10, 6, 154, 114), (0, 20, 128, 116), (40, 30, 160, 120)])
def test_a_cut_is_the_same_picture(box: tuple[int, int, int, int]) -> None:
    """Cut anywhere to 75-100 % of both sides, and smaller or brighter, it is found within the whole."""
    whole, _ = _pictures()
    part = whole.crop(box).resize((64, 48)).point(lambda level: min(255, int(1.1 * level)))

    assert same_picture(part, whole)


def test_another_picture_is_not() -> None:
    """Two pictures of nothing in common do not correlate as far."""
    assert not same_picture(*_pictures())


def test_it_does_not_matter_which_comes_first() -> None:
    """The whole is in the part as much as the part in the whole."""
    whole, other = _pictures()
    part = whole.crop((20, 10, 140, 100))

    assert overlap(part, whole) == overlap(whole, part) >= SAME
    assert overlap(whole, other) == overlap(other, whole)


def test_plain_pictures_are_like_nothing() -> None:
    """Where there is nothing to compare, nothing is the same, and nothing is divided by zero."""
    plain, (whole, _) = Image.new("RGB", (50, 50), (9, 9, 9)), _pictures()

    assert not same_picture(plain, plain)
    assert not same_picture(plain, whole)
    assert is_plain(plain)
    assert not is_plain(whole)
    assert np.isfinite(overlap(plain, whole))
