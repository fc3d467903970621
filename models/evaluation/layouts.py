"""Data sets of images with captions, as they lie on disk or are rendered, and what a bundle makes of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from models.bundle import Bundle
from models.errors import ModelError
from models.scenes.corpus import generate
from models.scenes.grammar import Split

# images prepared before they are embedded: bounds memory, and is past where a larger batch is faster on a CPU
_BATCH = 64


class DatasetInvalid(ModelError):
    """A data set to evaluate on is missing or breaks its layout; the message names the line."""


@dataclass(frozen=True)
class Example:
    """An image file's bytes, its captions, and for each caption the groups it counts in."""

    data: bytes
    captions: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Embedded:
    """A data set in a bundle's space.

    Attributes:
        images: (N, d).
        texts: (M, d).
        owners: (M,) row of each text's image.
        labels: M tuples of groups.
        truncated: how many texts were too long and lost their end.
    """

    images: np.ndarray
    texts: np.ndarray
    owners: np.ndarray
    labels: list[tuple[str, ...]]
    truncated: int


def scenes(count: int, seed: int, split: Split = "test", size: int = 128) -> Iterator[Example]:
    """Rendered scenes, each caption labelled by its kind, its scene's novelty and its scene's number of objects."""
    for each in generate(split, count, seed, size):
        novelty = "held-back" if each.scene.held_back else "seen"
        objects = f"{len(each.scene.objects)} objects" if len(each.scene.objects) > 1 else "1 object"
        labels = tuple((caption.kind, novelty, objects) for caption in each.described)
        yield Example(each.png(), each.captions, labels)


def jsonl(path: Path) -> Iterator[Example]:
    """A JSONL file: on each line `path` (relative to the file's folder) and `captions`, a list of texts.

    Raises:
        DatasetInvalid: no such file, a line is not such an object, or an image is missing.
    """
    if not path.is_file():
        raise DatasetInvalid(f"no data set at {path}: give a JSONL file with `path` and `captions` on each line")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                fields = json.loads(line)
                captions = tuple(str(text) for text in fields["captions"])
                data = (path.parent / fields["path"]).read_bytes()
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise DatasetInvalid(
                    f"{path}, line {number}: {type(error).__name__}: {error}: "
                    "each line must have `path` of an image and `captions`, a list of texts"
                ) from error
            if not captions:
                raise DatasetInvalid(f"{path}, line {number}: no captions: leave images without captions out")
            yield Example(data, captions, ((),) * len(captions))


def embed(bundle: Bundle, examples: Iterator[Example]) -> Embedded:
    """Embed every image and caption; memory holds one batch of images and all vectors.

    Raises:
        DatasetInvalid: there is no example.
        ImageUnreadable, ImageTooLarge: an image is damaged or too large.
    """
    images: list[np.ndarray] = []
    texts: list[np.ndarray] = []
    owners: list[int] = []
    labels: list[tuple[str, ...]] = []
    row = truncated = 0
    while batch := list(islice(examples, _BATCH)):
        images.append(bundle.embed_images(np.stack([bundle.prepare(each.data) for each in batch])))
        embedded = bundle.embed_texts([text for each in batch for text in each.captions])
        texts.append(embedded.vectors)
        truncated += int(embedded.truncated.sum())
        for each in batch:
            owners += [row] * len(each.captions)
            labels += each.labels
            row += 1
    if not images:
        raise DatasetInvalid("the data set is empty: there is nothing to evaluate on")
    return Embedded(np.concatenate(images), np.concatenate(texts), np.array(owners), labels, truncated)
