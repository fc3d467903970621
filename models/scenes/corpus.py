"""Scenes on disk and in memory: one picture, five captions, hard negatives and boxes for each.

A corpus is determined by (split, seed, size): example *i* has a generator of its own, so any part can be made again
without the rest, in any process.
"""

import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import JsonValue

from models.scenes.captions import Caption, describe
from models.scenes.edits import HardNegative, hard_negatives
from models.scenes.grammar import Scene, Split, sample_scene
from models.scenes.render import render
from models.sealed import STAGING_PREFIX, sync_folder

Format = Literal["jsonl", "webdataset"]

_SPLIT_NUMBER: dict[Split, int] = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True)
class SceneExample:
    """One example: picture (S, S, 3) uint8, its scene, captions, negatives, and a box in pixels for each object."""

    id: str
    image: np.ndarray
    scene: Scene
    described: tuple[Caption, ...]
    negatives: tuple[HardNegative, ...]
    boxes: tuple[tuple[int, ...], ...]

    @property
    def captions(self) -> tuple[str, ...]:
        """The five texts."""
        return tuple(caption.text for caption in self.described)

    def record(self) -> dict[str, JsonValue]:
        """What is written beside the picture, as JSON values."""
        objects: list[JsonValue] = [
            {**asdict(each), "box": list(box)} for each, box in zip(self.scene.objects, self.boxes, strict=True)
        ]
        return {
            "captions": list(self.captions),
            "background": self.scene.background,
            "objects": objects,
            "held_back": self.scene.held_back,
            "negatives": [{**asdict(each), "changed": list(each.changed)} for each in self.negatives],
        }

    def png(self) -> bytes:
        """The picture as a PNG file."""
        buffer = io.BytesIO()
        Image.fromarray(self.image).save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()


def example(split: Split, number: int, seed: int, size: int = 128) -> SceneExample:
    """Example *number* of a corpus."""
    rng = np.random.default_rng([seed, _SPLIT_NUMBER[split], number])
    scene = sample_scene(rng, split)
    image, boxes = render(scene, rng, size)
    captions = describe(scene, rng)
    negatives = hard_negatives(scene, captions, rng)
    return SceneExample(f"{split}-{seed}-{number:06d}", image, scene, captions, negatives, tuple(boxes))


def generate(split: Split, count: int, seed: int, size: int = 128) -> Iterator[SceneExample]:
    """The first *count* examples of a corpus, one at a time."""
    return (example(split, number, seed, size) for number in range(count))


def write_jsonl(folder: Path, split: Split, count: int, seed: int, size: int = 128) -> Iterator[SceneExample]:
    """Write `folder/SPLIT/ID.png` and, last, `folder/SPLIT.jsonl`; yields each example once it is written.

    The JSONL appears whole or not at all: after a kill, run it again. Each line is `SceneExample.record()` with `id`,
    and `path` relative to the JSONL's folder.
    """
    (folder / split).mkdir(parents=True, exist_ok=True)
    staging = folder / f"{STAGING_PREFIX}{split}.jsonl"
    with staging.open("w", encoding="utf-8") as lines:
        for each in generate(split, count, seed, size):
            path = f"{split}/{each.id}.png"
            (folder / path).write_bytes(each.png())
            lines.write(json.dumps({"id": each.id, "path": path, **each.record()}) + "\n")
            yield each
        lines.flush()
        os.fsync(lines.fileno())
    os.replace(staging, folder / f"{split}.jsonl")
    sync_folder(folder)


def write_webdataset(
    folder: Path, split: Split, count: int, seed: int, size: int = 128, shard_rows: int = 1000
) -> Iterator[SceneExample]:
    """Write `folder/SPLIT-00000.tar` …, each with `KEY.png` and `KEY.json`; yields each example once it is written.

    A shard appears whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for shard, start in enumerate(range(0, count, shard_rows)):
        target = folder / f"{split}-{shard:05d}.tar"
        staging = folder / f"{STAGING_PREFIX}{target.name}"
        with tarfile.open(staging, "w") as tar:
            for number in range(start, min(count, start + shard_rows)):
                each = example(split, number, seed, size)
                _add(tar, f"{each.id}.png", each.png())
                _add(tar, f"{each.id}.json", json.dumps(each.record()).encode())
                yield each
        with staging.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(staging, target)
    sync_folder(folder)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    # no owner and no time: equal seeds give equal shards
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
