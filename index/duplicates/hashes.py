"""Perceptual hashes of a collection's pictures, computed once: `duplicates/hashes.lance`, by the SHA-256 of the file.

Derived: it may be deleted, and is made again. Two jobs at once may both write the hash of one picture; it is the same.
"""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from index.disk import full_disk_named
from index.duplicates.groups import FOLDER
from index.duplicates.perceptual import NAME, perceptual_hash
from index.duplicates.rows import Places, digests_of
from index.errors import SourceError
from index.neighbours import Tell
from index.schema import Record
from index.searcher import Searcher
from models.errors import InputError

HASHES = f"{NAME}.lance"
_SCHEMA = pa.schema([pa.field("sha256", pa.string(), nullable=False), pa.field(NAME, pa.int64())])

# pictures between two commits, and as many as are in memory as records
_CHUNK = 1_024
_READERS = 4


@dataclass(frozen=True)
class Hashes:
    """Of the N items of `Places`.

    Attributes:
        values: (N,) int64.
        known: (N,) bool: where there is one. Plain pictures have none, nor have those that cannot be read.
        unreadable: how many files could not be read or decoded.
    """

    values: np.ndarray
    known: np.ndarray
    unreadable: int


def hashes_of(searcher: Searcher, places: Places, tell: Tell) -> Hashes:
    """The hash of every item, read from what is stored; what is not stored yet is computed and committed in chunks.

    Stopped at any moment, the same call goes on with the rest. Memory is bounded by a chunk and 24 bytes an item.

    Raises:
        StorageFull: the disk is full; what was committed is kept.
    """
    path = searcher.view.collection.path / FOLDER / HASHES
    digests, values, known = _stored(path)
    wanted = _missing(places, digests)
    unreadable, done = 0, 0
    with full_disk_named(path, lambda: "free some and find duplicates again: it goes on from here"):
        for records in _records(searcher, places.rows[wanted]):
            tell("hashing pictures", done, len(wanted))
            rows, failed = _hashed(searcher, records)
            if rows:
                _append(path, rows)
            unreadable, done = unreadable + failed, done + len(records)
    tell("hashing pictures", done, len(wanted))
    if done:
        digests, values, known = _stored(path)
    return _aligned(places, digests, values, known, unreadable)


def _stored(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digests (m,) S16 rising, hashes (m,) int64, and whether the picture has one (m,) bool."""
    parts = [(np.zeros(0, "S16"), np.zeros(0, np.int64), np.zeros(0, bool))]
    with contextlib.suppress(ValueError):
        # there is none yet, or it is damaged: what is not found is computed
        for batch in lance.dataset(path).to_batches(columns=["sha256", NAME]):
            hashes = batch[NAME]
            there = ~np.asarray(hashes.is_null())
            filled = hashes.fill_null(0).to_numpy(zero_copy_only=False)
            parts.append((digests_of(batch["sha256"].to_pylist()), filled, there))
    digests, values, known = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(digests, kind="stable")
    return digests[order], values[order], known[order]


def _missing(places: Places, digests: np.ndarray) -> np.ndarray:
    """Places of one item of each picture that has bytes and is not stored."""
    distinct = places.distinct()
    sums = places.digests[distinct]
    return distinct[(sums != b"") & ~np.isin(sums, digests)]


def _records(searcher: Searcher, rows: np.ndarray) -> Iterator[list[Record]]:
    for start in range(0, len(rows), _CHUNK):
        found = searcher.view.collection.records_at(rows[start : start + _CHUNK].tolist())
        yield [record for record in found if record is not None]


def _hashed(searcher: Searcher, records: list[Record]) -> tuple[list[tuple[str, int | None]], int]:
    """SHA-256 and hash of those that can be read, and how many cannot."""

    def one(record: Record) -> tuple[str, int | None] | None:
        try:
            return record.sha256, perceptual_hash(searcher.image_bytes(record))
        except (SourceError, InputError):
            return None

    with ThreadPoolExecutor(_READERS) as pool:
        waiting = iter(records)
        found: list[tuple[str, int | None] | None] = []
        # a few at a time: Ctrl-C waits for these, not for the chunk
        while few := list(islice(waiting, 8 * _READERS)):
            found += pool.map(one, few)
    rows = [each for each in found if each is not None]
    return rows, len(found) - len(rows)


def _append(path: Path, rows: list[tuple[str, int | None]]) -> None:
    table = pa.table({"sha256": [sha256 for sha256, _ in rows], NAME: [value for _, value in rows]}, schema=_SCHEMA)
    lance.write_dataset(table, path, mode="append" if path.is_dir() else "create")


def _aligned(places: Places, digests: np.ndarray, values: np.ndarray, known: np.ndarray, unreadable: int) -> Hashes:
    if not len(digests):
        return Hashes(np.zeros(len(places), np.int64), np.zeros(len(places), bool), unreadable)
    at = np.minimum(np.searchsorted(digests, places.digests), len(digests) - 1)
    there = (digests[at] == places.digests) & known[at]
    return Hashes(values[at], there, unreadable)
