"""Every picture with each of its captions: their cosine, and whether it is that of a pair which belongs together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from index.collection import Collection
from index.datasets import row_ids, rows_of_ids
from index.neighbours import Tell
from index.rows import vectors_of
from index.schema import lists
from index.vectors import unit
from models.mixture import clean_probability

_BATCH = 4_096


@dataclass(frozen=True)
class Pairs:
    """P pictures with a caption each; 28 bytes a pair.

    Attributes:
        captions: (P,) int64 row ids.
        items: (P,) int64 row ids of their items.
        cosines: (P,) float32.
        texts: (P,) uint64, equal where the texts are, but for case and spaces.
    """

    captions: np.ndarray
    items: np.ndarray
    cosines: np.ndarray
    texts: np.ndarray

    def __len__(self) -> int:
        """P."""
        return len(self.captions)

    def wrong(self) -> np.ndarray:
        """(P,) float64: how likely each caption is another picture's, by a mixture of two kinds of cosines.

        All 0 where one kind explains the cosines as well as two; see `models.mixture`.
        """
        return 1 - clean_probability(-self.cosines)


def pairs_of(collection: Collection, tell: Tell) -> Pairs:
    """All pairs of a collection, from the vectors that are stored; memory is bounded by a batch and what `Pairs` holds."""
    columns = [[np.zeros(0, kind)] for kind in (np.int64, np.int64, np.float32, np.uint64)]
    total, done = collection.captions.count_rows(), 0
    scan = collection.captions.scanner(with_row_id=True, batch_size=_BATCH, scan_in_order=True)
    for batch in scan.to_batches():
        tell("comparing captions with their pictures", done, total)
        for column, part in zip(columns, _pairs(collection, batch), strict=True):
            column.append(part)
        done += len(batch)
    tell("comparing captions with their pictures", done, total)
    return Pairs(*(np.concatenate(column) for column in columns))


def _pairs(collection: Collection, batch: pa.RecordBatch) -> tuple[np.ndarray, ...]:
    """Columns of the captions of a batch that count: their item lists that text at that position."""
    item_ids, texts = batch["item_id"].to_pylist(), batch["text"].to_pylist()
    table = rows_of_ids(collection.items, "id", item_ids, ["id", "captions", "vector"])
    place = {item: at for at, item in enumerate(table["id"].to_pylist())}
    listed = table["captions"].to_pylist()
    wanted = zip(item_ids, batch["position"].to_pylist(), texts, strict=True)
    live = np.array([item in place and lists(listed[place[item]], at, text) for item, at, text in wanted], bool)
    owners = np.array([place.get(item, -1) for item in item_ids], np.int64)[live]
    dim = collection.info.dim
    images = unit(vectors_of(table["vector"], dim))[owners]
    captions = unit(vectors_of(batch["vector"], dim))[live]
    kept = [text for text, counts in zip(texts, live, strict=True) if counts]
    cosines = np.einsum("nd,nd->n", images, captions).astype(np.float32)
    return row_ids(batch)[live], row_ids(table)[owners], cosines, _sums(kept)


def _sums(texts: Sequence[str]) -> np.ndarray:
    """(n,) uint64 of each text without its case and extra spaces."""
    plain = (" ".join(text.casefold().split()).encode() for text in texts)
    return np.frombuffer(b"".join(hashlib.blake2b(each, digest_size=8).digest() for each in plain), np.uint64)
