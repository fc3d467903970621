"""Pictures that are decoded already."""

import numpy as np

from models.training.arrays import PixelArrays
from models.training.views import View

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
ARRAYS = PixelArrays(IMAGES, [("a", "b"), ("c",), ("d", "e", "f")])


def test_rows_are_the_arrays() -> None:
    """In the order asked for, as a copy: what is trained on cannot change the corpus."""
    found = ARRAYS.pixels(np.array([2, 0]))

    np.testing.assert_array_equal(IMAGES[[2, 0]], found)
    assert not np.shares_memory(IMAGES, found)
    assert 3 == len(ARRAYS)


def test_each_row_has_its_view() -> None:
    """The first is seen as it is, the second mirrored."""
    found = ARRAYS.pixels(np.array([1, 1]), [View(), View(mirrored=True)])

    np.testing.assert_array_equal(IMAGES[1], found[0])
    np.testing.assert_array_equal(IMAGES[1, :, ::-1], found[1])


def test_a_caption_comes_with_the_others_of_its_picture() -> None:
    """The chosen text, and the rest of that row."""
    assert ("e", ("d", "f")) == (ARRAYS.caption(2, 1).text, ARRAYS.caption(2, 1).others)
