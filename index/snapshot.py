"""A snapshot: the published index of a collection at one version, sealed in a folder.

    snapshot.json      the manifest below
    images.faiss       index over the items' image vectors; images.rowids.npy: row id of each position
    texts.faiss        index over the captions' vectors, when there are captions; texts.rowids.npy
    moments.faiss      index over the vectors of videos' moments, when there are videos; moments.rowids.npy
    records.arrow      the items' records by position, an Arrow file (`index.records`)
    *.vectors.f16      the vectors of an index that compares its candidates again: (N, d) float16, row-major, nothing else

The manifest names the bundle that made the vectors and the dataset versions they were read at.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.allowed import Allowed
from index.errors import SnapshotAltered, SnapshotInvalid, SnapshotMissing, SnapshotTooNew
from index.faiss_cpu import FaissIndex
from index.gpu.device import Gpus
from index.gpu.served import served_by
from index.plan import Budget
from index.records import Records
from index.tune import Point
from index.vectors import VectorIndex
from models.sealed import FileSeal, SealBroken, verify

# 1 has no budgets, curves and vectors beside an index, 2 no records
SCHEMA_VERSION = 3
MANIFEST_NAME = "snapshot.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IndexPart(_Part):
    """One index of a snapshot."""

    index_file: str
    rowids_file: str
    factory: str
    rows: int = Field(ge=0)
    parameters: dict[str, int] = Field(description="of each search, e.g. efSearch")
    recall_at_10: float = Field(description="against exact search, on image and text queries; the worse of the two")
    query_ms: float = Field(description="median CPU milliseconds of one query, on the machine that built it")
    build_seconds: float
    vectors_file: str | None = None
    kind: str | None = Field(default=None, description="see index.kinds.spec; None in schema 1")
    why: list[str] = Field(default=[], description="why this kind, in sentences")
    planned_bytes: int = Field(default=0, description="predicted resident bytes, of index and row ids")
    mapped_bytes: int = Field(default=0, description="bytes of the vectors' file")
    curve: list[Point] = Field(default=[], description="every setting that was measured, the quickest first")

    @property
    def file_names(self) -> list[str]:
        """All that it reads."""
        return [name for name in (self.index_file, self.rowids_file, self.vectors_file) if name is not None]


class SnapshotManifest(_Part):
    """The whole of `snapshot.json`."""

    schema_version: int = SCHEMA_VERSION
    id: str
    collection: str
    items_version: int
    captions_version: int
    bundle_digest: str
    bundle_name: str
    dim: int
    images: IndexPart
    texts: IndexPart | None
    created_at: str
    files: dict[str, FileSeal]
    moments_version: int = 0
    moments: IndexPart | None = None
    target_recall: float | None = Field(default=None, description="recall@10 that was wanted")
    budget: Budget = Field(default=Budget(), description="what could be spent; publishing anew keeps to it")
    records_file: str | None = Field(default=None, description="None before schema 3: records are looked up in Lance")

    def to_bytes(self) -> bytes:
        """The exact bytes of `snapshot.json`."""
        # left out where there are no videos: a ViLEM that knows none reads it
        unsaid = {"moments_version", "moments"} if self.moments_version == 0 else set[str]()
        return (self.model_dump_json(indent=2, exclude=unsaid) + "\n").encode()


@dataclass(frozen=True)
class LoadedPart:
    """An index, the row id of each of its positions (N,) int64, and its search parameters."""

    index: VectorIndex
    rowids: np.ndarray
    parameters: dict[str, int]

    def search(self, queries: np.ndarray, k: int, *, allowed: Allowed | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best of each query (n, d), among the positions that are *allowed*; None = all.

        Returns:
            scores (n, k') float32 and row ids (n, k') int64, k' = min(k, N); row id -1 = none. Best first, and of equals
            the smaller row id: FAISS leaves the order of equals open.
        """
        k = min(k, self.index.rows)
        if not k or not len(queries):
            return np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        scores, positions = self.index.search(queries, k, self.parameters, allowed=allowed)
        rowids = np.where(positions >= 0, self.rowids[positions], -1)
        order = np.lexsort((rowids, -scores), axis=-1)
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rowids, order, axis=1)


@dataclass(frozen=True)
class Snapshot:
    """An opened snapshot; immutable, safe to share between threads."""

    manifest: SnapshotManifest
    images: LoadedPart
    texts: LoadedPart | None
    moments: LoadedPart | None = None
    records: Records | None = None

    @classmethod
    def open(cls, folder: Path, *, contents: bool = True, gpus: Gpus | None = None) -> "Snapshot":
        """Open the snapshot in *folder*.

        Args:
            folder: where it is.
            contents: compare every file with its SHA-256; False compares sizes only.
            gpus: cards to search it on, where it fits.

        Raises:
            SnapshotMissing: there is none.
            SnapshotTooNew: made by a newer ViLEM.
            SnapshotInvalid: manifest or files break the schema.
            SnapshotAltered: a file is missing, truncated or changed.
            GpuFailed: it does not fit, and cards are required.
        """
        manifest = read_manifest(folder)
        _expect_whole(folder, manifest, manifest.files, contents=contents)
        texts = _load(folder, manifest.texts, manifest.dim, gpus) if manifest.texts else None
        moments = _load(folder, manifest.moments, manifest.dim, gpus) if manifest.moments else None
        records = _load_records(folder, manifest)
        return cls(manifest, _load(folder, manifest.images, manifest.dim, gpus), texts, moments, records)


def open_moments(
    folder: Path, *, contents: bool = True, gpus: Gpus | None = None
) -> tuple[SnapshotManifest, LoadedPart | None]:
    """Open no more than the moments of the snapshot in *folder*: another engine finds the rest. As `Snapshot.open`."""
    manifest = read_manifest(folder)
    moments = manifest.moments
    _expect_whole(folder, manifest, moments.file_names if moments else [], contents=contents)
    return manifest, _load(folder, moments, manifest.dim, gpus) if moments else None


def read_manifest(folder: Path) -> SnapshotManifest:
    """Read and validate `snapshot.json`; raises as `Snapshot.open` does."""
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise SnapshotMissing(f"no snapshot at {folder}: publish the collection with `vilem index publish`")
    try:
        fields = json.loads(path.read_bytes())
        version = fields["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise SnapshotInvalid(f"{path} is not a snapshot's manifest ({error}): publish the collection again") from error
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise SnapshotTooNew(f"{path} has schema {version}, this ViLEM reads up to {SCHEMA_VERSION}: upgrade ViLEM")
    try:
        return SnapshotManifest.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SnapshotInvalid(f"{path}: {where}: {first['msg']}: publish the collection again") from error


def _expect_whole(folder: Path, manifest: SnapshotManifest, names: Iterable[str], *, contents: bool) -> None:
    """Those of its files are what was sealed, and all that are read are sealed."""
    parts = [part for part in (manifest.images, manifest.texts, manifest.moments) if part]
    used = {name for part in parts for name in part.file_names}
    unsealed = (used if manifest.records_file is None else used | {manifest.records_file}) - manifest.files.keys()
    if unsealed:
        raise SnapshotInvalid(
            f"{folder / MANIFEST_NAME} does not seal {', '.join(sorted(unsealed))}: publish the collection again"
        )
    try:
        verify(folder, {name: manifest.files[name] for name in names}, contents=contents)
    except SealBroken as error:
        raise SnapshotAltered(f"{error}; publish the collection again with `vilem index publish`") from error


def _load(folder: Path, part: IndexPart, dim: int, gpus: Gpus | None) -> LoadedPart:
    vectors = None if part.vectors_file is None else folder / part.vectors_file
    index = FaissIndex.load(folder / part.index_file, vectors)
    rowids = np.load(folder / part.rowids_file, mmap_mode="r", allow_pickle=False)
    if (index.rows, index.dim) != (part.rows, dim) or rowids.shape != (part.rows,):
        raise SnapshotInvalid(
            f"{folder}: {part.index_file} has {index.rows} x {index.dim} vectors and {rowids.shape[0]} row ids, the "
            f"manifest says {part.rows} x {dim}: publish the collection again"
        )
    return LoadedPart(served_by(index, gpus), rowids, part.parameters)


def _load_records(folder: Path, manifest: SnapshotManifest) -> Records | None:
    if manifest.records_file is None:
        return None
    records = Records.open(folder / manifest.records_file)
    if len(records) != manifest.images.rows:
        raise SnapshotInvalid(
            f"{folder}: {manifest.records_file} has {len(records)} records and {manifest.images.index_file} "
            f"{manifest.images.rows} vectors: publish the collection again"
        )
    return records
