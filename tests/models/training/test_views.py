"""How a picture is looked at: the view says what is seen, and nothing else changes."""

import numpy as np
import pytest
from PIL import Image

from models.training.views import View, look

RNG = np.random.default_rng(0)
PICTURE = Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8))


def test_the_whole_view_is_the_picture() -> None:
    """With nothing cropped, mirrored or lit, a picture of the right side comes back as it is."""
    np.testing.assert_array_equal(np.array(PICTURE), look(PICTURE, View(), 8))


def test_a_mirrored_view_is_the_picture_the_other_way_round() -> None:
    """Columns come in the other order."""
    np.testing.assert_array_equal(np.array(PICTURE)[:, ::-1], look(PICTURE, View(mirrored=True), 8))


def test_a_crop_shows_its_part() -> None:
    """A box of whole pixels, resized to its own side, is that part of the picture."""
    found = look(PICTURE, View(box=(0.25, 0.5, 0.75, 1.0)), 4)

    np.testing.assert_array_equal(np.array(PICTURE)[4:8, 2:6], found)


@pytest.mark.parametrize("field", ["brightness", "contrast", "saturation"])
def test_light_changes_colours_only(field: str) -> None:
    """Each factor changes the pixels; shape and type stay."""
    found = look(PICTURE, View(**{field: 0.5}), 8)

    assert ((8, 8, 3), np.uint8) == (found.shape, found.dtype)
    assert not np.array_equal(np.array(PICTURE), found)


def test_saturation_zero_is_grey() -> None:
    """Without colour the three channels agree."""
    found = look(PICTURE, View(saturation=0.0), 8)

    assert (found.max(axis=2) == found.min(axis=2)).all()


@pytest.mark.parametrize("side", [3, 8, 20])
def test_every_view_has_the_side(side: int) -> None:
    """Pictures of any shape, and boxes of any, become squares of the side asked for."""
    wide = PICTURE.resize((30, 8))

    for box in ((0.0, 0.0, 1.0, 1.0), (0.05, 0.0, 0.95, 0.9), (0.2, 0.1, 1.0, 1.0)):
        assert (side, side, 3) == look(wide, View(box=box), side).shape


def test_the_picture_is_not_changed() -> None:
    """Looking leaves the picture as it was: another view of it starts from the same pixels."""
    before = np.array(PICTURE)

    look(PICTURE, View(box=(0.1, 0.1, 0.9, 0.9), mirrored=True, brightness=0.5, contrast=2.0, saturation=0.1), 8)

    np.testing.assert_array_equal(before, np.array(PICTURE))
