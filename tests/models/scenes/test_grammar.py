"""What exists in a scene."""

import numpy as np
import pytest
from hypothesis import given

from models.scenes.grammar import (
    COLOURS,
    GRID,
    HELD_BACK,
    MAX_OBJECTS,
    PATTERNS,
    SHAPES,
    Scene,
    SceneObject,
    Split,
    sample_scene,
    split_of,
)
from tests.models.scenes.strategies import SPLITS, scenes


def drawn(split: Split, count: int, seed: int = 0) -> list[Scene]:
    """So many scenes of a split."""
    rng = np.random.default_rng(seed)
    return [sample_scene(rng, split) for _ in range(count)]


def test_there_is_enough_variety() -> None:
    """At least eight shapes, eight colours and four patterns exist, each once."""
    for values, least in ((SHAPES, 8), (COLOURS, 8), (PATTERNS, 4)):
        assert len(values) >= least
        assert len(set(values)) == len(values)


def test_held_back_pairs_cover_everything_once() -> None:
    """Each colour and each shape is held back in exactly one pair, so both are learnt from others."""
    assert set(COLOURS) == {colour for colour, _ in HELD_BACK}
    assert set(SHAPES) == {shape for _, shape in HELD_BACK}
    assert len(COLOURS) == len(HELD_BACK)


@given(scenes())
def test_a_scene_has_one_to_five_objects_in_different_cells(scene: Scene) -> None:
    """Objects are sorted by cell, no two share one, and there are at most five."""
    cells = [each.cell for each in scene.objects]

    assert sorted(set(cells)) == cells
    assert 1 <= len(cells) <= MAX_OBJECTS
    assert all(0 <= cell < GRID * GRID for cell in cells)


@pytest.mark.parametrize("split", SPLITS)
def test_sampling_stays_in_its_split(split: Split) -> None:
    """A scene drawn for a split belongs to it."""
    assert {split} == {split_of(scene) for scene in drawn(split, 100)}


def test_no_scene_is_in_two_splits() -> None:
    """The split is a function of the content: equal scenes from different seeds have one split."""
    by_content = {scene: split_of(scene) for split in SPLITS for scene in drawn(split, 200, seed=5)}

    assert all(split_of(Scene(scene.objects, scene.background)) == split for scene, split in by_content.items())


@pytest.mark.parametrize("split", ["train", "val"])
def test_training_never_shows_a_held_back_pair(split: Split) -> None:
    """Neither train nor val holds a held-back combination."""
    assert not any(scene.held_back for scene in drawn(split, 300))


def test_a_third_of_the_test_scenes_is_held_back() -> None:
    """About three test scenes in ten show a combination that training never shows."""
    share = sum(scene.held_back for scene in drawn("test", 500)) / 500

    assert 0.2 < share < 0.4


@pytest.mark.parametrize("count", range(1, MAX_OBJECTS + 1))
def test_every_number_of_objects_occurs(count: int) -> None:
    """Scenes of one to five objects are drawn."""
    assert any(len(scene.objects) == count for scene in drawn("train", 200))


def test_rows_and_columns_count_from_the_top_left() -> None:
    """Cell 5 is in the middle row, at the right."""
    each = SceneObject(5, "circle", "red", "small", "solid")

    assert (1, 2) == (each.row, each.column)
