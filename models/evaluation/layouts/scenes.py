"""Rendered scenes, made as they are needed: captions labelled by kind, and every false edit of every caption."""

from collections.abc import Callable

from models.evaluation.dataset import Dataset, Entry
from models.evaluation.layouts.records import edit_of, how_many, novelty
from models.scenes.corpus import SceneExample, generate
from models.scenes.grammar import Split

LAYOUT = "scenes"


def load(count: int, seed: int, split: Split = "test", size: int = 128) -> Dataset:
    """Render *count* scenes; a picture's PNG stays in memory (some 5 kB at 128 pixels)."""
    entries = tuple(_entry(each) for each in generate(split, count, seed, size))
    return Dataset(f"{count} rendered scenes, seed {seed}", LAYOUT, split, entries)


def _entry(made: SceneExample) -> Entry:
    new = novelty(held_back=made.scene.held_back)
    objects = how_many(len(made.scene.objects))
    return Entry(
        made.id,
        _held(made.png()),
        made.captions,
        tuple((caption.kind, new, objects) for caption in made.described),
        tuple(edit_of(each.text, each.caption, each.kind, (new,)) for each in made.negatives),
    )


def _held(data: bytes) -> Callable[[], bytes]:
    return lambda: data
