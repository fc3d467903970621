"""Rendered clips as a data set."""

import numpy as np

from models.evaluation.layouts.clips import load, load_cuts
from models.scenes.clips import CLIP_EDITS, STYLES, clip_example
from models.scenes.corpus import example
from models.video.decode import open_clip


def test_a_clip_is_the_generators() -> None:
    """Its file shows the frames of that example, its texts are that example's."""
    made = clip_example("test", 1, 4, 64)

    entry = load(2, 4, size=64).entries[1]

    with open_clip(entry.read()) as clip:
        shown = np.stack([np.asarray(image) for image in clip.read(range(clip.count))])
    assert made.frames.shape == shown.shape
    assert np.abs(made.frames.astype(int) - shown).mean() < 6
    assert (made.id, made.captions) == (entry.id, entry.captions)
    assert [each.text for each in made.negatives] == [each.text for each in entry.edits]


def test_groups_and_kinds() -> None:
    """Captions count by novelty and speed, edits by kind and by novelty within it."""
    found = load(3, 0, size=64)

    assert ("video", "clips", "test") == (found.unit, found.layout, found.split)
    for entry in found.entries:
        assert STYLES == len(entry.captions) == len(entry.labels)
        assert set(CLIP_EDITS) == {each.kind for each in entry.edits}
        assert all(label[0] in ("held-back", "seen") and label[1] in ("slowly", "quickly") for label in entry.labels)
        assert {f"{each.kind}, {entry.labels[0][0]}" for each in entry.edits} <= {
            group for each in entry.edits for group in each.groups
        }


def test_equal_seeds_are_equal_files() -> None:
    """Byte for byte, so that reports on them can be compared; another seed is other data."""
    first, again, other = ([(each.id, each.read()) for each in load(2, seed, size=64).entries] for seed in (0, 0, 1))

    assert first == again
    assert not {data for _, data in first} & {data for _, data in other}


def test_cuts_show_scenes_in_turn() -> None:
    """Each clip has scenes of its own, a second each, and the captions of one of them: of every place, in turn."""
    made = [example("test", number, 3, 64) for number in range(9)]

    found = load_cuts(3, 3, 3, size=64)

    assert [(made[place].id, made[place].captions) for place in (0, 4, 8)] == [
        (each.id, each.captions) for each in found.entries
    ]
    with open_clip(found.entries[1].read()) as clip:
        shown = [np.asarray(image, int) for image in clip.read([4, 12, 20])]
        assert 24 == clip.count
    for scene, image in zip(made[3:6], shown, strict=True):
        assert np.abs(scene.image.astype(int) - image).mean() < 6
