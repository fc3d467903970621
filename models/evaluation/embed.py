"""A data set in a bundle's space, through the code that serves: `models.decode`, `models.image`, `models.text`, ONNX."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np

from models.bundle import TextEmbeddings
from models.errors import BundleInvalid, InputError
from models.evaluation.dataset import DatasetInvalid, Entry
from models.manifest import BundleManifest

# images prepared before they are embedded: bounds memory, and is past where a larger batch is faster on a CPU
BATCH = 64


class Embedder(Protocol):
    """What files and texts are embedded with: a `models.bundle.Bundle`, or one that takes videos for pictures."""

    manifest: BundleManifest

    def prepare(self, data: bytes) -> np.ndarray:
        """Decode and scale one file to uint8; raises InputError where it is damaged or too large."""
        ...

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        """Embed what `prepare` gave of N files, stacked: (N, d) float32."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> TextEmbeddings:
        """Embed M texts."""
        ...


@dataclass(frozen=True)
class EmbeddedEdits:
    """E false texts.

    Attributes:
        vectors: (E, d).
        images: (E,) row of each text's image.
        texts: (E,) row of the true text that it was made from.
        kinds: E names of what was changed.
        groups: E tuples of further groups.
    """

    vectors: np.ndarray
    images: np.ndarray
    texts: np.ndarray
    kinds: list[str]
    groups: list[tuple[str, ...]]


@dataclass(frozen=True)
class Embedded:
    """A data set in a bundle's space; all vectors are float32 of unit norm.

    Attributes:
        images: (N, d).
        texts: (M, d).
        owners: (M,) row of each text's image.
        labels: M tuples of groups.
        edits: the false texts; none when they were not asked for.
        truncated: how many texts, true and false, were too long and lost their end.
        digest: SHA-256 (hex) of every picture's bytes and every text, in order: the data's identity.
    """

    images: np.ndarray
    texts: np.ndarray
    owners: np.ndarray
    labels: list[tuple[str, ...]]
    edits: EmbeddedEdits
    truncated: int
    digest: str


def embed(bundle: Embedder, entries: Iterable[Entry], *, edits: bool = False, batch: int = BATCH) -> Embedded:
    """Embed every image and caption; memory holds one batch of images and all vectors.

    Args:
        bundle: the model.
        entries: the pictures.
        edits: embed the false texts too.
        batch: files read and embedded at a time.

    Raises:
        ValueError: there is no entry.
        DatasetInvalid: a picture is damaged or too large; the message names it.
        BundleInvalid: the model gives vectors that are not finite.
    """
    work = _Work(bundle, edits=edits)
    remaining = iter(entries)
    while some := list(islice(remaining, batch)):
        work.add(some)
    return work.done()


def prepared(bundle: Embedder, entry: Entry, data: bytes) -> np.ndarray:
    """The picture in *data*, an entry's file, as (S, S, 3) uint8.

    Raises:
        DatasetInvalid: it is damaged or too large; the message names the entry.
    """
    try:
        return bundle.prepare(data)
    except InputError as error:
        raise DatasetInvalid(f"picture {entry.id!r}: {error}") from error


class _Work:
    """What has been embedded so far."""

    def __init__(self, bundle: Embedder, *, edits: bool) -> None:
        self._bundle = bundle
        self._with_edits = edits
        self._digest = hashlib.sha256()
        self._images: list[np.ndarray] = []
        self._texts: list[np.ndarray] = []
        self._false: list[np.ndarray] = []
        self._owners: list[int] = []
        self._labels: list[tuple[str, ...]] = []
        # of each edit: image, true text, kind, groups
        self._edits: list[tuple[int, int, str, tuple[str, ...]]] = []
        self._rows = self._truncated = 0

    def add(self, batch: list[Entry]) -> None:
        files = [each.read() for each in batch]
        for each, data in zip(batch, files, strict=True):
            self._note(each, data)
        pixels = [prepared(self._bundle, each, data) for each, data in zip(batch, files, strict=True)]
        self._images.append(self._finite(self._bundle.embed_images(np.stack(pixels))))
        self._texts.append(self._embed([text for each in batch for text in each.captions]))
        if self._with_edits:
            self._false.append(self._embed([edit.text for each in batch for edit in each.edits]))

    def _note(self, entry: Entry, data: bytes) -> None:
        self._digest.update(entry.identity(data, edits=self._with_edits))
        if self._with_edits:
            first = len(self._owners)
            self._edits += [(self._rows, first + edit.caption, edit.kind, edit.groups) for edit in entry.edits]
        self._owners += [self._rows] * len(entry.captions)
        self._labels += entry.labels or ((),) * len(entry.captions)
        self._rows += 1

    def _embed(self, texts: list[str]) -> np.ndarray:
        embedded = self._bundle.embed_texts(texts)
        self._truncated += int(embedded.truncated.sum())
        return self._finite(embedded.vectors)

    def _finite(self, vectors: np.ndarray) -> np.ndarray:
        if not np.isfinite(vectors).all():
            raise BundleInvalid(
                f"{self._bundle.manifest.name} gives vectors that are not finite: train or export it again"
            )
        return vectors

    def done(self) -> Embedded:
        if not self._images:
            raise ValueError("there is nothing to embed: the data set is empty")
        none = np.empty((0, self._bundle.manifest.dim), np.float32)
        edits = EmbeddedEdits(
            np.concatenate([none, *self._false]),
            np.array([image for image, _, _, _ in self._edits], np.int64),
            np.array([text for _, text, _, _ in self._edits], np.int64),
            [kind for _, _, kind, _ in self._edits],
            [groups for _, _, _, groups in self._edits],
        )
        return Embedded(
            np.concatenate(self._images),
            np.concatenate([none, *self._texts]),
            np.array(self._owners, np.int64),
            self._labels,
            edits,
            self._truncated,
            self._digest.hexdigest(),
        )
