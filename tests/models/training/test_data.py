"""Rendered scenes as arrays, and batches of them."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from models.scenes.corpus import example
from models.training import data
from models.training.data import SceneArrays, batches, load_scenes


def test_a_split_is_the_generators_scenes(tmp_path: Path) -> None:
    """Row i holds the pixels, captions and novelty of example i, whatever process rendered it."""
    found = load_scenes(tmp_path, "test", 3, seed=4, size=64)

    for number in range(3):
        made = example("test", number, 4, 64)
        np.testing.assert_array_equal(made.image, found.images[number])
        assert made.captions == found.captions[number]
        assert made.scene.held_back == found.held_back[number]


def test_a_rendered_split_is_read_not_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time nothing is drawn."""
    first = load_scenes(tmp_path, "val", 2, seed=4, size=64)
    monkeypatch.setattr(data, "_render", None)

    again = load_scenes(tmp_path, "val", 2, seed=4, size=64)

    np.testing.assert_array_equal(first.images, again.images)
    assert first.captions == again.captions


def test_a_rendering_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    """Pixels without their texts, which are written last, count as missing."""
    load_scenes(tmp_path, "val", 2, seed=4, size=64)
    (tmp_path / "val-4-2-64.json").unlink()
    (tmp_path / "val-4-2-64.npy").write_bytes(b"half")

    assert (2, 64, 64, 3) == load_scenes(tmp_path, "val", 2, seed=4, size=64).images.shape


@pytest.mark.parametrize(("count", "batch"), [(12, 4), (13, 4), (5, 5)])
def test_an_epoch_shows_no_scene_twice(count: int, batch: int) -> None:
    """Within an epoch rows are distinct, and all but the last incomplete batch of them come."""
    epoch = list(itertools.islice(batches(count, batch, seed=1), count // batch))
    rows = np.concatenate([each for each, _ in epoch])

    assert count // batch * batch == len(set(rows.tolist())) == len(rows)


def test_batches_are_determined_by_the_seed() -> None:
    """Equal seeds give equal rows and captions for ever; epochs and seeds differ."""

    def draw(seed: int) -> list[list[int]]:
        return [[*rows, *captions] for rows, captions in itertools.islice(batches(20, 5, seed), 12)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert draw(1)[:4] != draw(1)[4:8]


def test_every_caption_gets_its_turn() -> None:
    """Over many batches each of the five captions of a scene is chosen."""
    chosen = {caption for _, captions in itertools.islice(batches(8, 8, seed=1), 20) for caption in captions.tolist()}

    assert {0, 1, 2, 3, 4} == chosen


def test_a_caption_comes_with_the_others_of_its_image() -> None:
    """The chosen text, and every other one of that scene, in their order."""
    scenes = SceneArrays(np.zeros((2, 1, 1, 3), np.uint8), [("a", "b", "c"), ("d",)], np.zeros(2, bool))

    assert ("b", ("a", "c")) == (scenes.caption(0, 1).text, scenes.caption(0, 1).others)
    assert ("d", ()) == (scenes.caption(1, 0).text, scenes.caption(1, 0).others)
