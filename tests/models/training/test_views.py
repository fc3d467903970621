"""How a picture is looked at: the view says what is seen, and nothing else changes."""

import numpy as np
import pytest
from PIL import Image

from models.image import prepare
from models.manifest import Preprocess
from models.training.views import View, look, look_at_file

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


def disc(width: int, height: int, radius: int) -> Image.Image:
    """A white disc in the middle of black."""
    y, x = np.mgrid[:height, :width]
    inside = (x - (width - 1) / 2) ** 2 + (y - (height - 1) / 2) ** 2 <= radius**2
    return Image.fromarray(np.where(inside[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2))


def spec(size: int, **fields: str) -> Preprocess:
    """Of a model whose input has that side."""
    return Preprocess.model_validate({"size": size, "mean": (0.5,) * 3, "std": (0.25,) * 3, **fields})


@pytest.mark.parametrize("shape", [(200, 100), (100, 200), (100, 100), (900, 100)])
def test_a_crop_of_a_file_keeps_its_proportions(shape: tuple[int, int]) -> None:
    """Through any crop that keeps the proportions a disc is as round, and larger by the crop, as in evaluation."""
    picture, side = disc(*shape, 40), spec(100)

    crop = look_at_file(picture, View(box=(0.05, 0.05, 0.95, 0.95)), side)

    for seen, wanted in ((prepare(picture, side), 80), (crop, 80 / 0.9)):
        lit = seen[..., 0] > 127
        assert [wanted] * 2 == [pytest.approx(lit.any(axis=axis).sum(), abs=3) for axis in (0, 1)]


@pytest.mark.parametrize("resize", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_view_of_nearly_all_is_nearly_what_evaluation_sees(resize: str, interpolation: str) -> None:
    """By the bundle's own way to resize, whatever it is: a crop of all but nothing differs by rounding alone."""
    wide = Image.fromarray(RNG.integers(0, 256, (32, 64, 3), dtype=np.uint8))
    how = spec(16, resize=resize, interpolation=interpolation)

    whole, nearly = (look_at_file(wide, View(box=(0.0, 0.0, edge, edge)), how).astype(int) for edge in (1.0, 0.99999))

    np.testing.assert_array_equal(prepare(wide, how), whole)
    assert np.abs(whole - nearly).mean() < 1
    other = spec(16, resize=resize, interpolation="bilinear" if interpolation == "bicubic" else "bicubic")
    assert np.abs(prepare(wide, other).astype(int) - nearly).mean() > 2 * np.abs(whole - nearly).mean()


def test_views_of_files_are_mirrored_and_lit() -> None:
    """As those of prepared pictures are: beside a crop and beside the whole."""
    for box in ((0.0, 0.0, 1.0, 1.0), (0.1, 0.0, 0.9, 0.8)):
        plain, mirrored, dark = (
            look_at_file(PICTURE, view, spec(8))
            for view in (View(box), View(box, mirrored=True), View(box, brightness=0.5))
        )
        np.testing.assert_array_equal(plain[:, ::-1], mirrored)
        assert dark.mean() < 0.6 * plain.mean()
