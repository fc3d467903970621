"""Views: none of them makes its caption false."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.negatives.english import ATTRIBUTES
from models.training.augment import draw_view, may_be_mirrored, may_change_light
from models.training.parts import AugmentPart
from models.training.views import WHOLE, View

FREE = "a dog runs across the grass"
PARTS = st.builds(AugmentPart, crop=st.floats(0.8, 1), mirror=st.floats(0, 1), jitter=st.floats(0, 1, exclude_max=True))
SEEDS = st.integers(0, 2**32 - 1)
FILLERS = st.lists(st.sampled_from(("a", "dog", "near", "two", "men", "on", "the", "grass")), max_size=4).map(" ".join)


def draw(part: AugmentPart, caption: str, seed: int) -> View:
    """The view of a seed."""
    return draw_view(part, caption, np.random.default_rng(seed))


@settings(max_examples=200, deadline=None)
@given(part=PARTS, seed=SEEDS)
def test_a_crop_keeps_its_share(part: AugmentPart, seed: int) -> None:
    """A box lies within the picture and keeps at least the share of its area that was asked for, so 80 %."""
    left, top, right, bottom = draw(part, FREE, seed).box

    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    assert (right - left) * (bottom - top) >= part.crop - 1e-9 >= 0.8 - 1e-9
    assert 0.74 < (right - left) / (bottom - top) < 1.35


@settings(max_examples=100, deadline=None)
@given(
    word=st.sampled_from(
        ("left", "right", "Left-most", "rightmost", "sign", "Letters", "reading", "number", "7", '"go"')
    ),
    before=FILLERS,
    after=FILLERS,
    seed=SEEDS,
)
def test_sides_and_writing_are_never_mirrored(word: str, before: str, after: str, seed: int) -> None:
    """Wherever such a word stands in the caption, in whatever case and form, the picture is not mirrored."""
    assert not draw(AugmentPart(mirror=1), f"{before} {word} {after}", seed).mirrored


@settings(max_examples=100, deadline=None)
@given(
    word=st.sampled_from((*sorted(ATTRIBUTES["colour"]), "Reddish", "colourful", "dark", "blond", "sunset")),
    before=FILLERS,
    after=FILLERS,
    seed=SEEDS,
)
def test_named_colours_stay(word: str, before: str, after: str, seed: int) -> None:
    """Beside a caption that names a colour or light, light, contrast and colour are the picture's own."""
    view = draw(AugmentPart(jitter=0.5), f"{before} {word} {after}", seed)

    assert (1.0, 1.0, 1.0) == (view.brightness, view.contrast, view.saturation)


@settings(max_examples=100, deadline=None)
@given(part=PARTS, seed=SEEDS)
def test_light_changes_within_its_bounds(part: AugmentPart, seed: int) -> None:
    """Factors stay within the jitter around 1."""
    view = draw(part, FREE, seed)

    for factor in (view.brightness, view.contrast, view.saturation):
        assert 1 - part.jitter - 1e-9 <= factor <= 1 + part.jitter + 1e-9


@settings(max_examples=50, deadline=None)
@given(part=PARTS, seed=SEEDS)
def test_a_view_is_determined_by_its_lots(part: AugmentPart, seed: int) -> None:
    """Equal generators draw equal views; what the caption forbids changes nothing else of the view."""
    assert draw(part, FREE, seed) == draw(part, FREE, seed)
    assert draw(part, FREE, seed).box == draw(part, "the red sign on the left", seed).box


@settings(max_examples=50, deadline=None)
@given(part=PARTS, seed=SEEDS)
def test_what_one_caption_of_several_forbids_is_not_done(part: AugmentPart, seed: int) -> None:
    """Beside several captions, a line each, a view is true of the last as of the first."""
    view = draw(part, f"{FREE}\n{FREE}\na red ball on the left", seed)

    assert (False, 1.0, 1.0, 1.0) == (view.mirrored, view.brightness, view.contrast, view.saturation)


def test_views_differ() -> None:
    """Beside a free caption about half of the pictures are mirrored, and hardly two are cropped or lit alike."""
    views = [draw(AugmentPart(), FREE, seed) for seed in range(200)]

    assert 0.35 < np.mean([view.mirrored for view in views]) < 0.65
    assert 190 < len({view.box for view in views})
    assert 190 < len({view.brightness for view in views})


def test_what_is_switched_off_does_nothing() -> None:
    """No crop, no chance of a mirror and no jitter leave the picture as it is; the moment is for clips alone."""
    drawn = draw(AugmentPart(crop=1, mirror=0, jitter=0), FREE, 3)

    assert View(moment=drawn.moment) == drawn
    assert drawn.moment is not None
    assert 20 == len({draw(AugmentPart(crop=1, mirror=0, jitter=0), FREE, seed).moment for seed in range(20)})
    assert WHOLE == draw(AugmentPart(crop=1), FREE, 3).box


@pytest.mark.parametrize(
    ("caption", "mirrored", "lit"),
    [
        (FREE, True, True),
        ("a man in a bright room", True, False),
        ("a player with the number on his back", False, True),
        ("two dogs watch a ball", True, True),
        ("a woman in a red hat turns left", False, False),
    ],
)
def test_captions_are_read_as_people_read_them(caption: str, mirrored: bool, lit: bool) -> None:
    """Examples of what each rule allows."""
    assert (mirrored, lit) == (may_be_mirrored(caption), may_change_light(caption))
