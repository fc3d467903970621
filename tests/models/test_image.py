"""Resize and crop: pixel-equal to open_clip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.image import prepare, prepare_part
from models.manifest import Preprocess
from tests.support.images import picture
from tests.support.open_clip_reference import reference_pixels

SPECS = st.builds(
    Preprocess,
    size=st.sampled_from([1, 7, 32, 64, 128, 224]),
    resize=st.sampled_from(["shortest", "squash"]),
    interpolation=st.sampled_from(["bicubic", "bilinear"]),
    mean=st.just((0.5, 0.5, 0.5)),
    std=st.just((0.5, 0.5, 0.5)),
)
SIDES = st.integers(1, 400)


def _spec(**changes: object) -> Preprocess:
    return Preprocess.model_validate({"size": 32, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), **changes})


def _noise(width: int, height: int, seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8))


@settings(max_examples=150, deadline=None)
@given(spec=SPECS, width=SIDES, height=SIDES, seed=st.integers(0, 9), smooth=st.booleans())
def test_equal_to_open_clip(spec: Preprocess, width: int, height: int, seed: int, smooth: bool) -> None:
    """For every size, shape, resize mode and filter the pixels are exactly those of open_clip's transform."""
    if max(width, height) > 60 * min(width, height):
        height = width = max(width, height)
    image = picture(width, height, seed) if smooth else _noise(width, height, seed)

    assert np.array_equal(reference_pixels(image, spec), prepare(image, spec))


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (225, 224), (224, 225), (223, 500), (224, 224), (1000, 999)])
@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_equal_at_usual_sizes(size: tuple[int, int], resize: str) -> None:
    """Usual photographs, off-by-one sides and already fitting pictures come out equal at 224 pixels."""
    spec = _spec(size=224, resize=resize)
    image = picture(*size)

    assert np.array_equal(reference_pixels(image, spec), prepare(image, spec))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(3, 400), (400, 3), (2, 999), (1500, 20)])
def test_long_strips_equal_up_to_rounding(size: tuple[int, int], interpolation: str) -> None:
    """Of a strip only the centre is resized; on pictures without pixel noise that changes no level by more than one."""
    spec = _spec(interpolation=interpolation)
    across = np.linspace(0, 255, size[0])[None, :, None]
    down = np.linspace(255, 0, size[1])[:, None, None]
    image = Image.fromarray((across * (1, 0, 0.5) + down * (0, 1, 0.5)).astype(np.uint8))

    difference = np.abs(reference_pixels(image, spec).astype(int) - prepare(image, spec))

    assert difference.max() <= 1


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)])
def test_strips_stay_small(size: tuple[int, int]) -> None:
    """The longest strip that decoding lets through is prepared without its whole enlargement (3 x 10^9 pixels)."""
    assert prepare(Image.new("RGB", size, "teal"), _spec(size=224)).tolist() == [[[0, 128, 128]] * 224] * 224


@settings(max_examples=30, deadline=None)
@given(spec=SPECS, width=SIDES, height=SIDES)
def test_shape_and_type(spec: Preprocess, width: int, height: int) -> None:
    """Whatever comes in, the answer is an owned, contiguous (S, S, 3) uint8 array."""
    pixels = prepare(Image.new("RGB", (width, height)), spec)

    assert (spec.size, spec.size, 3) == pixels.shape
    assert np.uint8 == pixels.dtype
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


@given(level=st.tuples(*[st.integers(0, 255)] * 3), spec=SPECS)
@settings(max_examples=30, deadline=None)
def test_one_colour_stays(level: tuple[int, int, int], spec: Preprocess) -> None:
    """A picture of one colour keeps it: the filters' weights sum to one."""
    pixels = prepare(Image.new("RGB", (50, 37), level), spec)

    assert {level} == {tuple(each) for each in pixels.reshape(-1, 3).tolist()}


def test_shortest_cuts_the_sides_squash_keeps_them() -> None:
    """`shortest` shows the centre of a wide picture, `squash` all of it."""
    image = Image.new("RGB", (90, 30), "blue")
    image.paste((255, 0, 0), (0, 0, 30, 30))

    assert 0 == prepare(image, _spec(resize="shortest"))[:, 2:, 0].max()
    assert 255 == prepare(image, _spec(resize="squash"))[:, :9, 0].min()


@settings(max_examples=50, deadline=None)
@given(
    spec=SPECS, width=st.integers(20, 250), height=st.integers(20, 250), left=st.floats(0, 0.5), top=st.floats(0, 0.5)
)
def test_a_part_is_of_what_is_kept(spec: Preprocess, width: int, height: int, left: float, top: float) -> None:
    """Half of the middle square, wherever its corner lies, or of all where sides are squashed: by columns' and rows' numbers."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    image = Image.fromarray(np.stack([across, down, 0 * down], axis=2).astype(np.uint8))

    found = prepare_part(image, spec, (left, top, left + 0.5, top + 0.5))

    assert (spec.size, spec.size, 3) == found.shape
    for channel, (side, corner) in enumerate(((width, left), (height, top))):
        kept = side if spec.resize == "squash" else min(width, height)
        middle = (side - kept) / 2 + (corner + 0.25) * kept - 0.5
        # filters look beyond a box, and not beyond the picture
        assert found[..., channel].mean() == pytest.approx(middle, abs=2 + kept / 10)
