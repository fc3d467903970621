"""Who answers for a collection: its FAISS snapshot, unless `engine.json` says that its vectors were pushed to a Milvus.

The file lies in the folder of the generation whose vectors they are, so that a change of models changes it too. It is
replaced whole, sealed by a hash of itself, and names both stores: images and captions change together. It holds no secret.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from index.collection import Collection
from index.errors import CollectionMissing, MilvusMismatch
from index.generations import FOLDER
from index.milvus.connection import Connection
from index.milvus.live import LiveMilvus
from index.milvus.names import Kind
from index.milvus.part import MilvusPart
from index.milvus.store import Index
from index.milvus.stored import Stored
from index.milvus.target import target_of
from index.schema import CollectionInfo
from index.sealed_json import SealedJson

ENGINE_FILE = "engine.json"
JOURNAL_FILE = "push.json"
SCHEMA_VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pushed(_Part):
    """Two stores, and the versions of the collection that they hold."""

    images: str
    texts: str
    index: Index
    items_version: int
    captions_version: int
    items: int = Field(ge=0)
    captions: int = Field(ge=0)
    pushed_at: str = Field(description="UTC, ISO 8601")

    def stores(self) -> set[str]:
        """Both."""
        return {self.images, self.texts}

    def store(self, kind: Kind) -> str:
        """The one of that kind."""
        return self.images if kind == "images" else self.texts

    def rows(self, kind: Kind) -> int:
        """How many rows of that kind were sent."""
        return self.items if kind == "images" else self.captions

    def counting(self, kind: Kind, rows: int) -> Self:
        """The same with so many rows of that kind."""
        return self.model_copy(update={"items" if kind == "images" else "captions": rows})


class EngineRecord(SealedJson):
    """`engine.json`; `push.json` has the same form while a push is not finished, with what was sent so far."""

    schema_version: int = SCHEMA_VERSION
    collection: str
    created_at: str = Field(description="of the collection: one that was built anew has other rows")
    bundle_digest: str
    bundle_name: str
    dim: int
    uri: str = Field(description="of the Milvus")
    serving: bool = Field(description="false: the FAISS snapshot is served, and the stores wait")
    pushed: Pushed
    previous: Pushed | None = Field(default=None, description="what was served before, kept to go back to")

    def is_of(self, info: CollectionInfo) -> bool:
        """Whether it was pushed from that very collection."""
        mine = (self.collection, self.created_at, self.bundle_digest, self.dim)
        return mine == (info.name, info.created_at, info.bundle_digest, info.dim)

    def stores(self) -> set[str]:
        """All that it names."""
        return self.pushed.stores() | (self.previous.stores() if self.previous else set())


def read_record(path: Path, file_name: str = ENGINE_FILE) -> EngineRecord | None:
    """What the file in folder *path* says, if there is one.

    Raises:
        CollectionTooNew: written by a newer ViLEM.
        CollectionInvalid: damaged.
    """
    return EngineRecord.read(
        path / file_name,
        "remove it; the FAISS snapshot is served then, until `vilem index push` is run again",
    )


def engine_state(path: Path) -> bytes | None:
    """What `engine.json` in folder *path* holds now, unread; None where there is none. Equal states are the same engine."""
    try:
        return (path / ENGINE_FILE).read_bytes()
    except FileNotFoundError:
        return None


def write_record(path: Path, record: EngineRecord, file_name: str = ENGINE_FILE) -> EngineRecord:
    """Replace the file in folder *path*, whole; the record as it is in there."""
    return record.write(path / file_name)


def own_stores(home: Path) -> set[str]:
    """Stores that any generation of the collection in folder *home* has pushed, finished or not."""
    folders = [home, *(home / FOLDER).glob("*")]
    records = [read_record(folder, name) for folder in folders for name in (ENGINE_FILE, JOURNAL_FILE)]
    return {store for record in records if record is not None for store in record.stores()}


@dataclass(frozen=True, eq=False)
class Engine:
    """Open parts of a collection at the versions that were pushed; to be closed.

    Attributes:
        record: what was pushed where.
        collection: pinned at those versions.
        images: the items' vectors.
        texts: the captions'; those of captions that do not count are among them.
    """

    record: EngineRecord
    collection: Collection
    images: LiveMilvus
    texts: LiveMilvus
    connection: Connection

    @property
    def in_process(self) -> bool:
        """Whether it is a file of milvus-lite, which no other process can write to."""
        return self.connection.target.file is not None

    def close(self) -> None:
        """Let go of the server."""
        self.connection.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def open_engine(collection: Collection, *, token: str = "") -> Engine | None:
    """The Milvus that answers for *collection*; None where its FAISS snapshot does.

    Args:
        collection: at any version; what was written after the push is not seen before the parts are told of it.
        token: `user:password` or an API key, where the server asks for one.

    Raises:
        MilvusUnreachable, MilvusDenied, MilvusNotInstalled: see `index.errors`.
        MilvusMismatch: the stores are gone, or of another model.
        CollectionInvalid, CollectionTooNew: `engine.json` cannot be read.
    """
    record = read_record(collection.path)
    if record is None or not record.serving:
        return None
    info = collection.info
    if not record.is_of(info):
        raise MilvusMismatch(
            f"what was pushed to {record.uri} is of collection {record.collection!r} by bundle {record.bundle_name}, made "
            f"{record.created_at}, not of {info.name!r} by {info.bundle_name}, made {info.created_at}: "
            f"`vilem index push {info.name} --to {record.uri}`"
        )
    pinned = _at(collection, record)
    connection = Connection.open(target_of(record.uri), token=token)
    try:
        images = _part(connection, record.pushed.images, Stored(pinned.items, info.dim))
        texts = _part(connection, record.pushed.texts, Stored(pinned.captions, info.dim))
    except BaseException:
        connection.close()
        raise
    return Engine(record, pinned, images, texts, connection)


def _at(collection: Collection, record: EngineRecord) -> Collection:
    pushed = record.pushed
    try:
        return collection.at(pushed.items_version, pushed.captions_version)
    except CollectionMissing as error:
        raise MilvusMismatch(f"{error}: `vilem index push {record.collection} --to {record.uri}`") from error


def _part(connection: Connection, store: str, stored: Stored) -> LiveMilvus:
    part = MilvusPart.open(connection, store, stored)
    # more or fewer may be there while a push writes into the store
    if part.dim != stored.dim or (stored.count() and not part.rows):
        raise MilvusMismatch(
            f"{store} in {connection.target.uri} has {part.rows:,} rows of d={part.dim}, {stored.count():,} of "
            f"d={stored.dim} were pushed: push the collection anew, `vilem index push … --anew`"
        )
    return LiveMilvus.of(part, stored)
