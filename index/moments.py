"""The moments of videos: their vectors and stills in a dataset beside the items, written before them and removed after.

A moment is there while its item bears its key, which names the bytes it was made of and the times it was taken at. So a
writer may be killed anywhere: what it leaves without an item is ignored, used again when the same video comes again, and
removed when the item comes with other moments. The dataset is made when the first video comes.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from index.datasets import open_dataset, row_filter, row_ids, rows_at, rows_of_ids
from index.rows import Entry, MomentRows, vector_column, vectors_of
from index.schema import VIDEO_KEY, Record, moments_schema, video_fields
from index.vectors import unit
from models.video.sampling import Sampling

MOMENTS = "moments.lance"
# the version of a dataset that is not there
NO_VERSION = 0
# changes with the way in which moments are chosen
_RULE = 1


@dataclass(frozen=True)
class MomentRow:
    """One moment: the *position*-th of item *item_id*, so many seconds from its first frame."""

    item_id: str
    key: str
    position: int
    seconds: float


@dataclass(frozen=True)
class BestMoment:
    """The moment of a video that is nearest to a query, and the cosine of the two."""

    seconds: float
    score: float


def moments_key(sha256: str, sampling: Sampling) -> str:
    """What the moments of a video depend on, beside the model: equal keys, equal moments."""
    made_of = f"{_RULE}|{sha256}|{sampling.every!r}|{sampling.most}|{sampling.still_side}"
    return hashlib.sha256(made_of.encode()).hexdigest()[:32]


def keeps_videos(items: lance.LanceDataset) -> bool:
    """Whether the items have the columns of videos."""
    return VIDEO_KEY in items.schema.names


def with_videos(items: lance.LanceDataset) -> lance.LanceDataset:
    """The items with those columns, full of nulls where they were missing; row ids stay, and nothing is written anew."""
    if not keeps_videos(items):
        items.add_columns(pa.schema(video_fields()))
        items = items.checkout_version(items.latest_version)
    return items


class Moments:
    """The moments under a collection's folder at one version; they may not be there at all. Safe to read from threads."""

    def __init__(self, folder: Path, dim: int, dataset: lance.LanceDataset | None) -> None:
        self._folder = folder
        self._dim = dim
        self._dataset = dataset

    @classmethod
    def open(cls, folder: Path, dim: int, version: int | None = None) -> "Moments":
        """Those of the collection in *folder*, of dimension d = *dim*, at that version; None = the latest.

        Raises:
            CollectionMissing: the version is not there.
            CollectionInvalid: the dataset is damaged.
        """
        path = folder / MOMENTS
        # a folder without a version is what a killed first write left
        there = version != NO_VERSION and any((path / "_versions").glob("*"))
        return cls(folder, dim, open_dataset(path, version) if there else None)

    @property
    def dataset(self) -> lance.LanceDataset | None:
        """The dataset; it may hold rows that do not count: see `vectors`."""
        return self._dataset

    @property
    def version(self) -> int:
        """Of the dataset; `NO_VERSION` where there is none."""
        return NO_VERSION if self._dataset is None else self._dataset.version

    def count(self) -> int:
        """Number of rows, those included that do not count."""
        return 0 if self._dataset is None else self._dataset.count_rows()

    def written(self, entries: Sequence[Entry], borne: Mapping[str, str]) -> "Moments":
        """With the new moments of those entries; the caller has the turn, and writes the items next.

        What a killed writer left, whose key no item bears yet, may be older than a snapshot without it: who looks for what was
        written since would not see it. So it is not used, but written anew, as captions are.

        Args:
            entries: what is to be written.
            borne: by id, the keys that the videos among the items bear as yet.
        """
        fresh = [entry for entry in entries if entry.moments is not None]
        if not fresh:
            return self
        stored = self._stored([entry.record.id for entry in fresh])
        kept = {each: row for each, row in stored.items() if borne.get(each[0]) == each[1]}
        left = self._without([row for each, row in stored.items() if each not in kept])
        table = _table(fresh, kept.keys(), self._dim)
        if not table.num_rows:
            return left
        if left._dataset is not None:  # noqa: SLF001 - of our own class
            return Moments(self._folder, self._dim, lance.write_dataset(table, left._dataset, mode="append"))  # noqa: SLF001
        path = self._folder / MOMENTS
        shutil.rmtree(path, ignore_errors=True)
        return Moments(self._folder, self._dim, lance.write_dataset(table, path, enable_stable_row_ids=True))

    def without_stale(self, records: Iterable[Record]) -> "Moments":
        """Without the moments of those items that do not bear their keys any more; the items are written already."""
        if self._dataset is None:
            return self
        keys = {record.id: record.video.key if record.video else None for record in records}
        stale = [row for (item_id, key, _), row in self._stored(keys).items() if keys[item_id] != key]
        return self._without(stale)

    def without_items(self, ids: Iterable[str]) -> "Moments":
        """Without all moments of those ids, whose items are gone already."""
        return self._without(list(self._stored(ids).values()))

    def vectors(self, items: lance.LanceDataset, batch_rows: int = 8_192) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Vectors of all moments that count, in batches: row ids (n,) int64 and vectors (n, d) float32."""
        if self._dataset is None:
            return
        columns = ["item_id", "key", "vector"]
        scan = self._dataset.scanner(columns=columns, with_row_id=True, batch_size=batch_rows, scan_in_order=True)
        for batch in scan.to_batches():
            live = _live(items, batch)
            if live.any():
                yield row_ids(batch)[live], vectors_of(batch["vector"], self._dim)[live]

    def rows_of(self, ids: Iterable[str]) -> np.ndarray:
        """Sorted int64 row ids of the moments stored for those items, whether they count or not."""
        return np.array(sorted(self._stored(ids).values()), np.int64)

    def at(self, rows: Sequence[int]) -> list[MomentRow | None]:
        """The moments of those row ids, in their order; None where the row is not there at this version."""
        if self._dataset is None:
            return [None] * len(rows)
        table = rows_at(self._dataset, rows, ["item_id", "key", "position", "seconds"])
        found = {row.pop("_rowid"): MomentRow(**row) for row in table.to_pylist()}
        return [found.get(row) for row in rows]

    def of(self, record: Record) -> MomentRows | None:
        """All moments of a video in their order; None where the item is none."""
        if self._dataset is None or record.video is None:
            return None
        table = self._of([record], ["position", "seconds", "vector", "still"]).sort_by("position")
        vectors = unit(vectors_of(table["vector"], self._dim))
        return MomentRows(table["seconds"].to_numpy(), vectors, tuple(table["still"].to_pylist()))

    def still(self, record: Record, seconds: float | None) -> bytes | None:
        """The JPEG of the moment nearest to *seconds*, or of the middle one; None where the item has no moments."""
        if self._dataset is None or record.video is None:
            return None
        table = self._of([record], ["position", "seconds"]).sort_by("position")
        if not table.num_rows:
            return None
        place = table.num_rows // 2 if seconds is None else int(np.abs(table["seconds"].to_numpy() - seconds).argmin())
        row = table["_rowid"][place].as_py()
        return rows_at(self._dataset, [row], ["still"])["still"][0].as_py()

    def best(self, asked: Sequence[tuple[Record, np.ndarray]]) -> list[BestMoment | None]:
        """Of each video the moment nearest to a query (d,) of unit norm, of equals the earlier; None for a picture.

        One look-up for all of them; every moment of theirs is compared.
        """
        records = {record.id: record for record, _ in asked if record.video is not None}
        if self._dataset is None or not records:
            return [None] * len(asked)
        table = self._of(list(records.values()), ["item_id", "seconds", "vector"])
        ids, seconds = np.array(table["item_id"].to_pylist(), object), table["seconds"].to_numpy()
        vectors = unit(vectors_of(table["vector"], self._dim))
        order = np.lexsort((seconds, ids.astype(str)))
        ids, seconds, vectors = ids[order].astype(str), seconds[order], vectors[order]
        found: list[BestMoment | None] = []
        for record, query in asked:
            first, end = np.searchsorted(ids, record.id, "left"), np.searchsorted(ids, record.id, "right")
            scores = vectors[first:end] @ query
            # the products of equal vectors may differ in their last bit
            place = int(scores.round(6).argmax()) if len(scores) else -1
            found.append(BestMoment(float(seconds[first + place]), float(scores[place])) if len(scores) else None)
        return found

    def _of(self, records: Sequence[Record], columns: list[str]) -> pa.Table:
        """Rows of those videos that count, with their row ids."""
        assert self._dataset is not None
        keys: Mapping[str, str] = {record.id: record.video.key for record in records if record.video is not None}
        table = rows_of_ids(self._dataset, "item_id", keys, list(dict.fromkeys(["item_id", "key", *columns])))
        pairs = zip(table["item_id"].to_pylist(), table["key"].to_pylist(), strict=True)
        return table.filter(pa.array([keys[item_id] == key for item_id, key in pairs], pa.bool_()))

    def _stored(self, ids: Iterable[str]) -> dict[tuple[str, str, int], int]:
        """Row ids of the moments stored for those items, whether they count or not."""
        if self._dataset is None:
            return {}
        table = rows_of_ids(self._dataset, "item_id", ids, ["item_id", "key", "position"])
        columns = [table[name].to_pylist() for name in ("item_id", "key", "position")]
        return dict(zip(zip(*columns, strict=True), table["_rowid"].to_pylist(), strict=True))

    def _without(self, rows: Sequence[int]) -> "Moments":
        if self._dataset is None or not rows:
            return self
        self._dataset.delete(row_filter(rows))
        return Moments.open(self._folder, self._dim)


def _table(entries: Sequence[Entry], kept: Iterable[tuple[str, str, int]], dim: int) -> pa.Table:
    """Rows for the moments of *entries* that are not among *kept*."""
    there = set(kept)
    rows: list[tuple[str, str, int]] = []
    seconds: list[float] = []
    vectors: list[np.ndarray] = []
    stills: list[bytes] = []
    for entry in entries:
        assert entry.record.video is not None and entry.moments is not None, "moments belong to a video"
        for position, still in enumerate(entry.moments.stills):
            row = (entry.record.id, entry.record.video.key, position)
            if row not in there:
                rows.append(row)
                seconds.append(float(entry.moments.seconds[position]))
                vectors.append(entry.moments.vectors[position])
                stills.append(still)
    columns = {
        "item_id": [item_id for item_id, _, _ in rows],
        "key": [key for _, key, _ in rows],
        "position": [position for _, _, position in rows],
        "seconds": seconds,
        "vector": vector_column(vectors, dim),
        "still": stills,
    }
    return pa.table(columns, schema=moments_schema(dim))


def _live(items: lance.LanceDataset, batch: pa.RecordBatch) -> np.ndarray:
    """(n,) bool: whether the item of each moment bears its key."""
    ids = batch["item_id"].to_pylist()
    if not keeps_videos(items):
        return np.zeros(len(ids), bool)
    table = rows_of_ids(items, "id", ids, ["id", VIDEO_KEY])
    keys = dict(zip(table["id"].to_pylist(), table[VIDEO_KEY].to_pylist(), strict=True))
    return np.array(
        [keys.get(item_id) == key for item_id, key in zip(ids, batch["key"].to_pylist(), strict=True)], bool
    )
