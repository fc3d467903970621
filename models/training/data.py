"""Rendered scenes as arrays: drawn once by all cores, kept in a cache folder, read by memory map."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from models.negatives.editor import Caption
from models.scenes.corpus import example
from models.scenes.grammar import Split
from models.sealed import write_atomically
from models.training.pairs import caption_of
from models.training.views import View, look


@dataclass(frozen=True)
class SceneArrays:
    """A split in memory.

    Attributes:
        images: (N, S, S, 3) uint8, memory-mapped.
        captions: N tuples of five texts.
        held_back: (N,) bool, scenes with a combination that training never shows.
    """

    images: np.ndarray
    captions: list[tuple[str, ...]]
    held_back: np.ndarray

    def __len__(self) -> int:
        return len(self.captions)

    def pixels(self, rows: np.ndarray, views: Sequence[View] | None = None) -> np.ndarray:
        """See `models.training.pairs.Pairs`."""
        if views is None:
            return np.array(self.images[rows])
        pairs = zip(self.images[rows], views, strict=True)
        return np.stack([look(Image.fromarray(image), view, image.shape[0]) for image, view in pairs])

    def caption(self, row: int, choice: int) -> Caption:
        """One caption of a scene, with the others of its image."""
        return caption_of(self.captions[row], choice)


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
