"""Rendered scenes as arrays: drawn once by all cores, kept in a cache folder, read by memory map."""

import json
import os
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from models.scenes.corpus import example
from models.scenes.grammar import Split
from models.sealed import write_atomically
from models.training.arrays import PixelArrays


@dataclass(frozen=True)
class SceneArrays(PixelArrays):
    """A split of rendered scenes, five captions each.

    Attributes:
        held_back: (N,) bool, scenes with a combination that training never shows.
    """

    held_back: np.ndarray


def load_scenes(cache: Path, split: Split, count: int, seed: int, size: int) -> SceneArrays:
    """Read a split from *cache*, after rendering it there if it is missing."""
    name = f"{split}-{seed}-{count}-{size}"
    texts = cache / f"{name}.json"
    pixels = cache / f"{name}.npy"
    if not texts.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _render(pixels, texts, (split, count, seed, size))
    rows = json.loads(texts.read_bytes())
    return SceneArrays(
        np.load(pixels, mmap_mode="r"),
        [tuple(row["captions"]) for row in rows],
        np.array([row["held_back"] for row in rows], bool),
    )


def _render(pixels: Path, texts: Path, corpus: tuple[Split, int, int, int]) -> None:
    split, count, seed, size = corpus
    images = np.lib.format.open_memmap(pixels, "w+", np.uint8, (count, size, size, 3))
    rows: list[dict[str, object]] = []
    tasks = ((split, number, seed, size) for number in range(count))
    # spawn: torch's threads do not survive a fork
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        for number, (image, captions, held_back) in enumerate(pool.imap(_one, tasks, chunksize=64)):
            images[number] = image
            rows.append({"captions": captions, "held_back": held_back})
    images.flush()
    # the texts come last: with them the split is complete
    write_atomically(texts, json.dumps(rows).encode())


def _one(task: tuple[Split, int, int, int]) -> tuple[np.ndarray, tuple[str, ...], bool]:
    made = example(*task)
    return made.image, made.captions, made.scene.held_back
