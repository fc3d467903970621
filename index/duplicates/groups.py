"""Groups of duplicates as they are kept: one file beside the collection, written whole, checked when it is opened.

`duplicates/groups.arrow` is an Arrow IPC file of one batch, sorted by row id, with the rows that are in a group of two or more:

    row_id int64 · representative int64 (a row id too) · cosine float32 (to the representative) · copy bool (an earlier item
    has the same bytes) · picture 16 bytes (the first half of the file's SHA-256; zeros where there is no file)

and in its schema's metadata, as JSON, what it was made of and with. It is derived: it may be deleted, and found again. Version 1 had no pictures: of such a file
every row that was written since is taken for another picture.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.collection import Collection
from index.datasets import row_ids
from index.duplicates.rows import DIGEST, digests_of
from index.errors import DuplicatesInvalid
from index.live.tail import within
from index.schema import COLLECTION_FILE
from models.sealed import write_atomically

SCHEMA_VERSION = 2
FOLDER = "duplicates"
GROUPS_FILE = "groups.arrow"

_METADATA = b"vilem"
_FIRST_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.int64(), nullable=False),
        pa.field("representative", pa.int64(), nullable=False),
        pa.field("cosine", pa.float32(), nullable=False),
        pa.field("copy", pa.bool_(), nullable=False),
    ]
)
_SCHEMA = _FIRST_SCHEMA.append(pa.field("picture", pa.binary(16), nullable=False))
_AGAIN = "find them again with `vilem index duplicates`, or remove the file"


class GroupsInfo(BaseModel):
    """How groups were found, and in what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    collection: str
    collection_created_at: str
    bundle_digest: str
    items_version: int = Field(description="version of the items that were compared")
    items: int = Field(description="how many there were")
    threshold: float = Field(description="least cosine of two near-duplicates")
    bits: int | None = Field(
        description="most bits of 64 that perceptual hashes of near-duplicates differ in; None: unused"
    )
    chains: bool = Field(description="whether a member may resemble another member alone, not the representative")
    groups: int
    created_at: str


class _Head(BaseModel):
    schema_version: int
    sha256: str
    info: dict[str, object]


@dataclass(frozen=True)
class Found:
    """Rows that are in a group of two or more; n of them.

    Attributes:
        rows: (n,) int64 row ids, rising.
        representatives: (n,) int64 row id of each one's representative, which is its own for these.
        cosines: (n,) float32 to the representative.
        copies: (n,) bool: an item of an earlier row has the same bytes.
        digests: (n,) S16, as of `Places`.
    """

    rows: np.ndarray
    representatives: np.ndarray
    cosines: np.ndarray
    copies: np.ndarray
    digests: np.ndarray

    def groups(self) -> list[np.ndarray]:
        """Places in `rows` of each group's members, the representative's first; the largest group first."""
        others = self.rows != self.representatives
        order = np.lexsort((self.rows, others, self.representatives))
        starts = np.flatnonzero(np.diff(self.representatives[order])) + 1
        return sorted(np.split(order, starts), key=lambda each: (-len(each), self.rows[each[0]])) if len(order) else []


@dataclass(frozen=True)
class Groups:
    """What `load_groups` opened; immutable, safe to share between threads.

    Attributes:
        info: how they were found.
        rows: (n,) int64 row ids that are in a group, rising.
        representatives: (n,) int64 row id of each one's representative.
        digests: (n,) S16 of their pictures then; None in a file of version 1.
    """

    info: GroupsInfo
    rows: np.ndarray
    representatives: np.ndarray
    digests: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Row id of the representative of each of *rows* (n,) int64: its own where it is in no group."""
        rows = np.asarray(rows, np.int64)
        if not len(self.rows):
            return rows.copy()
        places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[places] == rows, self.representatives[places], rows)

    def members(self, row: int) -> np.ndarray:
        """(m,) int64 row ids of its group, rising, itself among them: it alone where it is in none."""
        name = self.of(np.array([row]))
        first, end = np.searchsorted(self._named[0], [name[0], name[0] + 1])
        return self._named[1][first:end] if end > first else name

    def without(self, rows: np.ndarray) -> "Groups":
        """The groups without those row ids (n,): of rows that were written anew, whose pictures are others now.

        Those that a removed representative stands for stay together, and the first of them represents them.
        """
        removed = np.sort(np.asarray(rows, np.int64))
        kept = ~within(self.rows, removed)
        mine, named = self.rows[kept], self.representatives[kept]
        left = np.flatnonzero(within(named, removed))
        if len(left):
            _, first, group = np.unique(named[left], return_index=True, return_inverse=True)
            named[left] = mine[left[first]][group]
        digests = None if self.digests is None else self.digests[kept]
        return replace(self, rows=mine, representatives=named, digests=digests)

    def at(self, items: lance.LanceDataset) -> "Groups":
        """The groups without the items that have other pictures at that later version of them; captions may be others."""
        since = f"_row_last_updated_at_version > {self.info.items_version}"
        columns = [] if self.digests is None else ["sha256"]
        changed = [np.zeros(0, np.int64)]
        for batch in items.scanner(columns=columns, filter=since, with_row_id=True).to_batches():
            rows = row_ids(batch)
            changed.append(rows if self.digests is None else rows[self._others_now(rows, batch["sha256"])])
        return self.without(np.concatenate(changed))

    @cached_property
    def _named(self) -> tuple[np.ndarray, np.ndarray]:
        """Representatives, rising, and the rows that they stand for."""
        order = np.argsort(self.representatives, kind="stable")
        return self.representatives[order], self.rows[order]

    def _others_now(self, rows: np.ndarray, sha256: pa.Array) -> np.ndarray:
        """Places of the rows (n,) that are in a group, and whose pictures have other SHA-256 sums now."""
        assert self.digests is not None
        # few of what was written is in a group
        grouped = np.flatnonzero(within(rows, self.rows))
        now = digests_of(sha256.take(pa.array(grouped)).to_pylist())
        return grouped[now != self.digests[np.searchsorted(self.rows, rows[grouped])]]


def save_groups(
    collection: Collection, found: Found, *, items: int, threshold: float, bits: int | None, chains: bool
) -> GroupsInfo:
    """Write the groups beside the collection, in place of older ones.

    Args:
        collection: pinned at the version that was compared.
        found: the groups.
        items: how many items were compared.
        threshold: least cosine.
        bits: most bits that hashes may differ in; None if there were none.
        chains: whether members may resemble each other in a chain.
    """
    info = GroupsInfo(
        collection=collection.info.name,
        collection_created_at=collection.info.created_at,
        bundle_digest=collection.info.bundle_digest,
        items_version=collection.version,
        items=items,
        threshold=threshold,
        bits=bits,
        chains=chains,
        groups=len(np.unique(found.representatives)),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    seal = _digest([found.rows, found.representatives], found.digests)
    head = _Head(schema_version=SCHEMA_VERSION, sha256=seal, info=info.model_dump())
    schema = _SCHEMA.with_metadata({_METADATA: head.model_dump_json().encode()})
    columns = [found.rows, found.representatives, found.cosines.astype(np.float32), found.copies]
    pictures = pa.py_buffer(np.ascontiguousarray(found.digests, DIGEST).tobytes())
    arrays = [*map(pa.array, columns), pa.Array.from_buffers(pa.binary(16), len(found.rows), [None, pictures])]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    write_atomically(collection.path / FOLDER / GROUPS_FILE, sink.getvalue().to_pybytes())
    return info


def load_groups(collection_path: Path, *, contents: bool = True) -> Groups | None:
    """The groups that were found in the collection in folder *collection_path*; mapped into memory, not read.

    Args:
        collection_path: of the collection.
        contents: compare row ids and pictures with their SHA-256 (32 bytes a row, some 20 ms a million).

    Returns:
        None where none were looked for, or the file is of another collection that had this name.

    Raises:
        DuplicatesInvalid: the file is damaged, or of a newer ViLEM.
    """
    path = collection_path / FOLDER / GROUPS_FILE
    if not path.is_file():
        return None
    head, table = _read(path)
    if head.schema_version > SCHEMA_VERSION:
        raise DuplicatesInvalid(
            f"{path} has schema {head.schema_version}, this ViLEM reads up to {SCHEMA_VERSION}: {_AGAIN}"
        )
    try:
        info = GroupsInfo.model_validate(head.info)
    except ValidationError as error:
        raise DuplicatesInvalid(f"{path}: {error.errors()[0]['msg']}: {_AGAIN}") from error
    owner = json.loads((collection_path / COLLECTION_FILE).read_bytes())
    if (info.collection, info.collection_created_at) != (owner["name"], owner["created_at"]):
        return None
    rows, representatives = (table[name].combine_chunks().to_numpy() for name in ("row_id", "representative"))
    digests = _pictures(table)
    if contents and _digest([rows, representatives], digests) != head.sha256:
        raise DuplicatesInvalid(f"{path} is altered: its rows are not those that were sealed; {_AGAIN}")
    return Groups(info, rows, representatives, digests)


def last_found(collection_path: Path) -> int | None:
    """When groups were written, in nanoseconds: another number whenever they are found anew; None where there are none."""
    try:
        return (collection_path / FOLDER / GROUPS_FILE).stat().st_mtime_ns
    except OSError:
        return None


def _read(path: Path) -> tuple[_Head, pa.Table]:
    try:
        table = pa.ipc.open_file(pa.memory_map(os.fspath(path))).read_all()
        head = _Head.model_validate_json(table.schema.metadata[_METADATA])
        if not table.schema.equals(_FIRST_SCHEMA if head.schema_version == 1 else _SCHEMA):
            raise DuplicatesInvalid(f"{path} has other columns than groups of duplicates: {_AGAIN}")
        return head, table
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValidationError) as error:
        raise DuplicatesInvalid(f"{path} holds no groups of duplicates, or a part of them: {_AGAIN}") from error


def _pictures(table: pa.Table) -> np.ndarray | None:
    """(n,) S16, mapped; None where the file is of version 1."""
    if "picture" not in table.schema.names:
        return None
    column = table["picture"].combine_chunks()
    _, data = column.buffers()
    return np.frombuffer(data, DIGEST, count=len(column), offset=16 * column.offset)


def _digest(columns: Iterable[np.ndarray], digests: np.ndarray | None) -> str:
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.ascontiguousarray(column, np.int64).data)
    if digests is not None:
        digest.update(np.ascontiguousarray(digests, DIGEST).tobytes())
    return digest.hexdigest()
