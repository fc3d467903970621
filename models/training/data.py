"""Rendered scenes as arrays: drawn once by all cores, kept in a cache folder, read by memory map."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from models.scenes.corpus import example
from models.scenes.grammar import Split
from models.sealed import write_atomically
from models.training.arrays import PixelArrays

# split, number, seed and size; the picture or clip, its captions, and whether it shows a held-back combination
Task = tuple[Split, int, int, int]
Example = tuple[np.ndarray, tuple[str, ...], bool]
# examples that are drawn anew to tell whether what is kept is what this release draws
_COMPARED = 8
# what a process draws at a time; for so few none is started
_CHUNK = 64


@dataclass(frozen=True)
class SceneArrays(PixelArrays):
    """A split of rendered scenes, five captions each.

    Attributes:
        held_back: (N,) bool, scenes with a combination that training never shows.
    """

    held_back: np.ndarray


def load_scenes(cache: Path, split: Split, count: int, seed: int, size: int) -> SceneArrays:
    """Read a split from *cache*, after rendering it there if it is missing."""
    tasks = [(split, number, seed, size) for number in range(count)]
    return SceneArrays(*load_rendered(cache, f"{split}-{seed}-{count}-{size}", (size, size, 3), _one, tasks))


def load_rendered(
    cache: Path, name: str, shape: tuple[int, ...], draw: Callable[[Task], Example], tasks: Sequence[Task]
) -> tuple[np.ndarray, list[tuple[str, ...]], np.ndarray]:
    """Read what is drawn from *cache*, after drawing it there if it is missing.

    Args:
        cache: a folder.
        name: of the two files in it, which says all that decides what is drawn, but for the code: that of a release which draws
            otherwise is told by its first examples.
        shape: of one picture or clip.
        draw: makes an example; called in other processes when there is much to draw.
        tasks: what it is called with, N of them.

    Returns:
        (N, *shape) uint8 memory-mapped, N tuples of captions, and (N,) bool: what shows a held-back combination.
    """
    name = f"{name}-{_version(draw, tasks)}"
    texts = cache / f"{name}.json"
    pixels = cache / f"{name}.npy"
    if not texts.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _render(pixels, texts, shape, draw, tasks)
    rows = json.loads(texts.read_bytes())
    captions = [tuple(row["captions"]) for row in rows]
    return np.load(pixels, mmap_mode="r"), captions, np.array([row["held_back"] for row in rows], bool)


def _version(draw: Callable[[Task], Example], tasks: Sequence[Task]) -> str:
    digest = hashlib.sha256()
    for image, captions, held_back in map(draw, tasks[:_COMPARED]):
        digest.update(image.tobytes())
        digest.update(json.dumps([captions, bool(held_back)]).encode())
    return digest.hexdigest()[:12]


def _render(
    pixels: Path, texts: Path, shape: tuple[int, ...], draw: Callable[[Task], Example], tasks: Sequence[Task]
) -> None:
    images = np.lib.format.open_memmap(pixels, "w+", np.uint8, (len(tasks), *shape))
    rows: list[dict[str, object]] = []
    for number, (image, captions, held_back) in enumerate(_drawn(draw, tasks)):
        images[number] = image
        rows.append({"captions": captions, "held_back": held_back})
    images.flush()
    # the texts come last: with them the split is complete
    write_atomically(texts, json.dumps(rows).encode())


def _drawn(draw: Callable[[Task], Example], tasks: Sequence[Task]) -> Iterator[Example]:
    if len(tasks) <= _CHUNK:
        yield from map(draw, tasks)
        return
    # spawn: torch's threads do not survive a fork
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        yield from pool.imap(draw, tasks, chunksize=_CHUNK)


def _one(task: Task) -> Example:
    made = example(*task)
    return made.image, made.captions, made.scene.held_back
