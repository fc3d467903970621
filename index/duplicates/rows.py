"""The items of a collection as places 0..N-1 in the order of their row ids, and which are copies, byte for byte."""

from dataclasses import dataclass

import numpy as np

from index.collection import Collection
from index.datasets import row_ids

# Half of a SHA-256: of 10^9 different files two would share it with a probability of 10^-21.
DIGEST = "S16"
_HEX = 32


@dataclass(frozen=True)
class Places:
    """N items; 40 bytes each.

    Attributes:
        rows: (N,) int64 row ids, rising.
        digests: (N,) S16, first half of the SHA-256 of the picture's file; empty where there is no picture.
        first: (N,) int64, the first place with that digest: its own where no earlier item has the same bytes.
        pixels: (N,) int64, width times height.
    """

    rows: np.ndarray
    digests: np.ndarray
    first: np.ndarray
    pixels: np.ndarray

    @classmethod
    def of(cls, collection: Collection) -> "Places":
        """Of all items of a collection."""
        rows, digests, pixels = [np.zeros(0, np.int64)], [np.zeros(0, DIGEST)], [np.zeros(0, np.int64)]
        scan = collection.items.scanner(columns=["sha256", "width", "height"], with_row_id=True, batch_size=8_192)
        for batch in scan.to_batches():
            rows.append(row_ids(batch))
            digests.append(digests_of(batch["sha256"].to_pylist()))
            width, height = (batch[side].to_numpy().astype(np.int64) for side in ("width", "height"))
            pixels.append(width * height)
        order = np.argsort(np.concatenate(rows))
        found, known = np.concatenate(rows)[order], np.concatenate(digests)[order]
        _, earliest, kind = np.unique(known, return_index=True, return_inverse=True)
        first = np.where(known == b"", np.arange(len(found)), earliest[kind])
        return cls(found, known, first.astype(np.int64), np.concatenate(pixels)[order])

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Places of row ids, of any shape, that are there."""
        return np.searchsorted(self.rows, rows)

    def distinct(self) -> np.ndarray:
        """Places, rising, of one item of each different content."""
        return np.flatnonzero(self.first == np.arange(len(self)))


def digests_of(sha256: list[str]) -> np.ndarray:
    """(n,) S16: the first halves of SHA-256 sums in hex; empty strings stay empty."""
    if all(len(each) >= _HEX for each in sha256):
        return np.frombuffer(bytes.fromhex("".join(each[:_HEX] for each in sha256)), DIGEST)
    return np.array([bytes.fromhex(each[:_HEX]) for each in sha256], DIGEST)
