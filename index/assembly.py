"""The middle of the embedding job: outcomes of the readers become image batches, complete rows, and chunks."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from index.captions import CaptionStage
from index.collection import Collection
from index.commits import Chunk, ChunkSink
from index.options import EmbedOptions
from index.prepare import Outcome, Ready, Unchanged
from index.progress import Tally
from index.rows import MomentRows
from index.schema import Record
from models.bundle import Bundle
from models.proofreader import Proofreader
from models.video.pooling import mean_pool

if TYPE_CHECKING:
    from models.video.moments import Moments

# Rows whose stored vectors are fetched together: one look-up costs about 3 ms at any size.
_KEPT_TOGETHER = 256


class Assembly:
    """Takes outcomes one by one and hands chunks to a committer; inference happens in `take`.

    Args:
        stored: the collection as it was when the job began.
        committer: writes the chunks.
        tally: counts what is taken.
        proofreader: of the bundle, when patches are to be stored: it embeds the images too.
    """

    def __init__(
        self,
        stored: Collection,
        bundle: Bundle,
        options: EmbedOptions,
        committer: ChunkSink,
        tally: Tally,
        proofreader: Proofreader | None = None,
    ) -> None:
        self._stored = stored
        self._bundle = bundle
        self._proofreader = proofreader
        self._options = options
        self._committer = committer
        self._tally = tally
        self._pixels: list[tuple[Record, np.ndarray]] = []
        self._kept: list[Record] = []
        self._chunk = Chunk()
        self._committed_at = time.monotonic()
        self.captions = CaptionStage(stored, bundle, options.text_batch)

    def take(self, outcome: Outcome) -> None:
        """Deal with one outcome: it waits in a batch or chunk, or makes it go on.

        Raises:
            StorageFull: there was no space for the chunk before.
        """
        self._tally.seen += 1
        match outcome:
            case Ready(record, pixels) if pixels is not None:
                self._pixels.append((record, pixels))
            case Ready(record, None, frames) if frames is not None:
                self._embed_video(record, frames)
            case Ready(record):
                self._kept.append(record)
            case Unchanged(item_id):
                self._tally.unchanged += 1
                self._chunk.unchanged.append(item_id)
            case reject:
                self._tally.rejected[reject.reason] += 1
                self._chunk.rejects.append(reject)
        if len(self._pixels) >= self._options.image_batch:
            self._embed_images()
        if len(self._kept) >= _KEPT_TOGETHER:
            self._keep_vectors()
        if self._is_due():
            self._embed_images()
            self.commit()

    def finish(self) -> None:
        """Embed and commit all that waits.

        Raises:
            StorageFull: there was no space.
        """
        self._embed_images()
        self.commit()
        self._committer.finish()

    def commit(self) -> None:
        """Commit what went through the image tower; pixels that still wait for it stay.

        Raises:
            StorageFull: there was no space for the chunk before.
        """
        self._keep_vectors()
        self._chunk.entries.extend(self.captions.flush())
        if self._chunk.size():
            self._committer.submit(self._chunk)
        self._chunk = Chunk()
        self._committed_at = time.monotonic()

    def _is_due(self) -> bool:
        size = self._chunk.size() + len(self.captions) + len(self._kept)
        late = time.monotonic() - self._committed_at >= self._options.chunk_seconds
        return size >= self._options.chunk_rows or late

    def _embed_images(self) -> None:
        if not self._pixels:
            return
        records = [record for record, _ in self._pixels]
        encoded = self._encode(np.stack([pixels for _, pixels in self._pixels]))
        self._pixels = []
        for record, (vector, patches) in zip(records, encoded, strict=True):
            self._tally.patch_bytes += len(patches or b"")
            self._caption(record, vector, patches)
        self._tally.embedded += len(records)

    def _embed_video(self, record: Record, frames: "Moments") -> None:
        """A video's vector is the mean of its moments'."""
        batch = self._options.image_batch
        parts = [frames.pixels[start : start + batch] for start in range(0, len(frames.pixels), batch)]
        vectors = np.concatenate([self._bundle.embed_images(part) for part in parts])  # (m, d)
        mean = mean_pool(vectors)
        # moments that cancel each other out have no mean: one of them stands for all
        mean = mean if mean.any() else vectors[len(vectors) // 2]
        self._tally.embedded += 1
        self._tally.moments += len(vectors)
        self._caption(record, mean, None, MomentRows(frames.seconds, vectors, frames.stills))

    def _encode(self, pixels: np.ndarray) -> Iterable[tuple[np.ndarray, bytes | None]]:
        """Vector and patches of each image; one run of one graph gives both."""
        if self._proofreader is None:
            return ((vector, None) for vector in self._bundle.embed_images(pixels))
        return ((image.embedding, image.to_bytes()) for image in self._proofreader.encode_images(pixels))

    def _keep_vectors(self) -> None:
        """Write rows anew with the vectors and patches that they have."""
        ids = [record.id for record in self._kept]
        vectors, patches = (self._stored.vectors(ids), self._stored.patches(ids)) if ids else ({}, {})
        for record in self._kept:
            self._caption(record, vectors[record.id], patches.get(record.id))
        self._tally.updated += len(self._kept)
        self._kept = []

    def _caption(
        self, record: Record, vector: np.ndarray, patches: bytes | None, moments: MomentRows | None = None
    ) -> None:
        """Let an item wait for its captions' vectors; after each one, for an item may have a thousand, ask for room."""
        self.captions.add(record, vector, patches, moments)
        if self.captions.is_full():
            self._chunk.entries.extend(self.captions.flush())
