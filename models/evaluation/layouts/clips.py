"""Rendered clips, made as they are needed: of moving scenes with every false caption, and of several scenes in turn."""

from collections.abc import Callable

import numpy as np

from models.evaluation.dataset import Dataset, Entry
from models.evaluation.layouts.records import edit_of, novelty
from models.scenes.clips import RATE, ClipExample, generate_clips
from models.scenes.corpus import SceneExample, generate
from models.scenes.grammar import Split
from models.video.encode import Format, encode

LAYOUT = "clips"
CUTS = "cuts"


def load(count: int, seed: int, split: Split = "test", size: int = 128, form: Format = "mp4") -> Dataset:
    """Render and encode *count* clips of 2 s; a clip's file stays in memory (some 20 kB at 128 pixels)."""
    entries = tuple(_entry(each, form) for each in generate_clips(split, count, seed, size))
    return Dataset(f"{count} rendered clips, seed {seed}", LAYOUT, split, entries, unit="video")


def load_cuts(count: int, seed: int, shots: int, split: Split = "test", size: int = 128) -> Dataset:
    """Render *count* clips that each show *shots* still scenes, a second each; their captions are of one of these.

    What a film is to a caption of one of its shots: the mean of its frames is of all of them.
    """
    scenes = generate(split, count * shots, seed, size)
    entries = tuple(_cut([next(scenes) for _ in range(shots)], number % shots) for number in range(count))
    source = f"{count} rendered clips of {shots} scenes, seed {seed}"
    return Dataset(source, CUTS, split, entries, unit="video")


def _cut(scenes: list[SceneExample], told: int) -> Entry:
    file = encode(np.repeat(np.stack([each.image for each in scenes]), RATE, axis=0), RATE)
    return Entry(scenes[told].id, _held(file), scenes[told].captions)


def _entry(made: ClipExample, form: Format) -> Entry:
    new = novelty(held_back=made.scene.held_back)
    return Entry(
        made.id,
        _held(encode(made.frames, RATE, form)),
        made.captions,
        ((new, made.scene.speed),) * len(made.captions),
        tuple(edit_of(each.text, each.caption, each.kind, (new,)) for each in made.negatives),
    )


def _held(data: bytes) -> Callable[[], bytes]:
    return lambda: data
