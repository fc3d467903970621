"""Captions of the items in hand become vectors: gathered, sorted by length, each text embedded once."""

from collections.abc import Mapping

import numpy as np

from index.collection import Collection
from index.rows import Entry, MomentRows
from index.schema import Record
from models.bundle import Bundle

# Batches to gather before sorting: a batch of texts of like length carries little padding.
_BATCHES_TO_SORT = 8


class CaptionStage:
    """Items whose image vector is there and whose captions wait for theirs.

    Attributes:
        embedded: texts that went through the model so far.
        truncated: of these, how many were too long and lost their end.
    """

    def __init__(self, stored: Collection, bundle: Bundle, batch: int) -> None:
        self._stored = stored
        self._bundle = bundle
        self._batch = batch
        self._waiting: list[tuple[Record, np.ndarray, bytes | None, MomentRows | None]] = []
        self._moments = 0
        self._texts = 0
        self.embedded = 0
        self.truncated = 0

    def __len__(self) -> int:
        """Rows that wait: items, and moments of videos."""
        return len(self._waiting) + self._moments

    def add(
        self, record: Record, vector: np.ndarray, patches: bytes | None = None, moments: MomentRows | None = None
    ) -> None:
        """Take an item with its image vector (d,), and its patches where they are stored, and a video's new moments."""
        self._waiting.append((record, vector, patches, moments))
        self._moments += 0 if moments is None else len(moments.stills)
        self._texts += len(record.captions)

    def is_full(self) -> bool:
        """Whether enough texts wait for `flush` to make good batches of them."""
        return self._texts >= self._batch * _BATCHES_TO_SORT

    def flush(self) -> list[Entry]:
        """Embed the waiting captions; every waiting item, complete, in the order of their coming.

        A vector that is stored for the same text of the same item is taken from there: when a corpus has only moved,
        or a job was killed between its captions and its items, no text is embedded twice.
        """
        captioned = [record for record, *_ in self._waiting if record.captions]
        stored = self._stored.vectors_of_captions([record.id for record in captioned]) if captioned else {}
        missing = {text for record in captioned for text in record.captions if (record.id, text) not in stored}
        fresh = self._embed(missing)
        entries = [
            Entry(record, vector, _matrix(record, stored, fresh, len(vector)), patches, moments)
            for record, vector, patches, moments in self._waiting
        ]
        self._waiting, self._texts, self._moments = [], 0, 0
        return entries

    def _embed(self, texts: set[str]) -> dict[str, np.ndarray]:
        """Vector (d,) of each text."""
        # by length, then by text: the same texts make the same batches in every run
        ordered = sorted(texts, key=lambda text: (len(text), text))
        vectors: dict[str, np.ndarray] = {}
        for start in range(0, len(ordered), self._batch):
            batch = ordered[start : start + self._batch]
            answer = self._bundle.embed_texts(batch)
            vectors.update(zip(batch, answer.vectors, strict=True))
            self.truncated += int(answer.truncated.sum())
        self.embedded += len(ordered)
        return vectors


def _matrix(
    record: Record, stored: Mapping[tuple[str, str], np.ndarray], fresh: Mapping[str, np.ndarray], dim: int
) -> np.ndarray:
    """(c, d) vectors of a record's captions."""
    rows = [stored[record.id, text] if (record.id, text) in stored else fresh[text] for text in record.captions]
    return np.stack(rows) if rows else np.zeros((0, dim), np.float32)
