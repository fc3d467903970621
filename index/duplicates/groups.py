"""Groups of duplicates as they are kept: one file beside the collection, written whole, checked when it is opened.

`duplicates/groups.arrow` is an Arrow IPC file of one batch, sorted by row id, with the rows that are in a group of two or more:

    row_id int64 · representative int64 (a row id too) · cosine float32 (to the representative) · copy bool (an earlier item
    has the same bytes)

and in its schema's metadata, as JSON, what it was made of and with. It is derived: it may be deleted, and found again.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.collection import Collection
from index.errors import DuplicatesInvalid
from index.live.tail import within
from index.schema import COLLECTION_FILE
from models.sealed import write_atomically

SCHEMA_VERSION = 1
FOLDER = "duplicates"
GROUPS_FILE = "groups.arrow"

_METADATA = b"vilem"
_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.int64(), nullable=False),
        pa.field("representative", pa.int64(), nullable=False),
        pa.field("cosine", pa.float32(), nullable=False),
        pa.field("copy", pa.bool_(), nullable=False),
    ]
)
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
    """

    rows: np.ndarray
    representatives: np.ndarray
    cosines: np.ndarray
    copies: np.ndarray

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
    """

    info: GroupsInfo
    rows: np.ndarray
    representatives: np.ndarray

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Row id of the representative of each of *rows* (n,) int64: its own where it is in no group."""
        rows = np.asarray(rows, np.int64)
        if not len(self.rows):
            return rows.copy()
        places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[places] == rows, self.representatives[places], rows)

    def others(self, rows: np.ndarray) -> np.ndarray:
        """How many other rows are in the group of each of *rows* (n,) int64: 0 where it is in none."""
        names, counts = np.unique(self.representatives, return_counts=True)
        if not len(names):
            return np.zeros(len(rows), np.int64)
        wanted = self.of(rows)
        places = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
        return np.where(names[places] == wanted, counts[places] - 1, 0)

    def without(self, rows: np.ndarray) -> "Groups":
        """The groups without those row ids (n,): of rows that were written anew, whose pictures are others now.

        Those that a removed representative stands for stay together: its row id goes on naming their group.
        """
        kept = ~within(self.rows, np.sort(np.asarray(rows, np.int64)))
        return Groups(self.info, self.rows[kept], self.representatives[kept])


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
    columns = [found.rows, found.representatives, found.cosines.astype(np.float32), found.copies]
    head = _Head(schema_version=SCHEMA_VERSION, sha256=_digest(columns[:2]), info=info.model_dump())
    schema = _SCHEMA.with_metadata({_METADATA: head.model_dump_json().encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch([pa.array(each) for each in columns], schema=schema))
    write_atomically(collection.path / FOLDER / GROUPS_FILE, sink.getvalue().to_pybytes())
    return info


def load_groups(collection_path: Path, *, contents: bool = True) -> Groups | None:
    """The groups that were found in the collection in folder *collection_path*; mapped into memory, not read.

    Args:
        collection_path: of the collection.
        contents: compare the row ids with their SHA-256 (16 bytes a row, some 10 ms a million).

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
    if contents and _digest([rows, representatives]) != head.sha256:
        raise DuplicatesInvalid(f"{path} is altered: its row ids are not those that were sealed; {_AGAIN}")
    return Groups(info, rows, representatives)


def last_found(collection_path: Path) -> int | None:
    """When groups were written, in nanoseconds: another number whenever they are found anew; None where there are none."""
    try:
        return (collection_path / FOLDER / GROUPS_FILE).stat().st_mtime_ns
    except OSError:
        return None


def _read(path: Path) -> tuple[_Head, pa.Table]:
    try:
        table = pa.ipc.open_file(pa.memory_map(os.fspath(path))).read_all()
        if not table.schema.equals(_SCHEMA):
            raise DuplicatesInvalid(f"{path} has other columns than groups of duplicates: {_AGAIN}")
        return _Head.model_validate_json(table.schema.metadata[_METADATA]), table
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValidationError) as error:
        raise DuplicatesInvalid(f"{path} holds no groups of duplicates, or a part of them: {_AGAIN}") from error


def _digest(columns: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.ascontiguousarray(column, np.int64).data)
    return digest.hexdigest()
