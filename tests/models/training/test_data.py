"""Rendered scenes as arrays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.scenes.corpus import SceneExample, example
from models.training import data
from models.training.data import SceneArrays, load_scenes


@pytest.mark.parametrize("chunk", [1, 64])
def test_a_split_is_the_generators_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Row i holds the pixels, captions and novelty of example i, whatever process rendered it: this one, or one of many."""
    monkeypatch.setattr(data, "_CHUNK", chunk)

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
    (texts,) = tmp_path.glob("val-4-2-64-*.json")
    texts.with_suffix(".npy").write_bytes(b"half")
    texts.unlink()

    assert (2, 64, 64, 3) == load_scenes(tmp_path, "val", 2, seed=4, size=64).images.shape


def test_what_another_release_drew_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes that are drawn or described otherwise than those that are kept are drawn anew; the others stay for whoever reads them."""
    before = load_scenes(tmp_path, "val", 2, seed=4, size=64)

    def described(*task: object) -> SceneExample:
        made = example("val", 1, 5, 64)
        return replace(made, described=tuple(replace(each, text=f"{each.text}!") for each in made.described))

    monkeypatch.setattr(data, "example", described)
    after = load_scenes(tmp_path, "val", 2, seed=4, size=64)

    assert all(text.endswith("!") for captions in after.captions for text in captions)
    monkeypatch.undo()
    assert before.captions == load_scenes(tmp_path, "val", 2, seed=4, size=64).captions


def test_a_caption_comes_with_the_others_of_its_image() -> None:
    """The chosen text, and every other one of that scene, in their order."""
    scenes = SceneArrays(np.zeros((2, 1, 1, 3), np.uint8), [("a", "b", "c"), ("d",)], np.zeros(2, bool))

    assert ("b", ("a", "c")) == (scenes.caption(0, 1).text, scenes.caption(0, 1).others)
    assert ("d", ()) == (scenes.caption(1, 0).text, scenes.caption(1, 0).others)
