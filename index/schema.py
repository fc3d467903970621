"""What a collection holds: its columns, and the rules for names, ids, captions and metadata.

d is the dimension of the bundle that embedded the collection. Vectors have unit norm and are stored as float16: the
cosine of two of them is off by less than 1e-3, at half the bytes.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from index.errors import CollectionNameInvalid, ItemFault, ItemInvalid

SCHEMA_VERSION = 1
COLLECTION_FILE = "collection.json"
PATCHES = "patches"
VIDEO_SECONDS, VIDEO_MOMENTS, VIDEO_KEY = "video_seconds", "video_moments", "video_key"

# A file name on every system and a path segment of a URL without escapes.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MAX_ID_BYTES = 512
MAX_CAPTION_BYTES = 64 * 1024
MAX_CAPTIONS = 1_000
MAX_METADATA_BYTES = 64 * 1024
MAX_METADATA_DEPTH = 64
# Of a key that an error names.
_MAX_SHOWN = 40
# `GET /items/{id}/image` must not be readable as the item "{id}/image".
_RESERVED_ENDS = ("/image", "/thumbnail")

Metadata = Mapping[str, JsonValue]
RejectReason = Literal[
    "bad-row", "bad-id", "bad-caption", "bad-metadata", "duplicate-id", "missing-file", "unreadable-file", "too-large",
    "not-an-image", "not-a-video", "no-video-support",
]  # fmt: skip


class CollectionInfo(BaseModel):
    """`collection.json`: what does not change in a collection's life."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str
    dim: int = Field(gt=0, description="embedding dimension d")
    bundle_digest: str = Field(description="SHA-256 of the manifest of the bundle that embeds this collection")
    bundle_name: str
    created_at: str = Field(description="UTC, ISO 8601")

    @classmethod
    def new(cls, name: str, *, dim: int, bundle_digest: str, bundle_name: str) -> Self:
        """Of a collection that is made now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(name=name, dim=dim, bundle_digest=bundle_digest, bundle_name=bundle_name, created_at=now)


@dataclass(frozen=True)
class Video:
    """What is known of an item that is a video, beside what pictures have.

    Attributes:
        seconds: from its first frame to its last.
        moments: how many of its frames were embedded.
        key: names how they were made: of which bytes, at which times; see `index.moments`.
    """

    seconds: float
    moments: int
    key: str


@dataclass(frozen=True)
class Record:
    """One item as readers see it.

    Attributes:
        id: unique in the collection.
        uri: where its bytes are; see `index.sources.read_uri`.
        sha256: of those bytes, hex.
        width: pixels, of the upright image.
        height: pixels.
        captions: its texts, in the source's order.
        metadata: everything else the source said of it; JSON values.
        video: None for a picture.
    """

    id: str
    uri: str
    sha256: str
    width: int
    height: int
    captions: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=dict[str, JsonValue])
    video: Video | None = None


@dataclass(frozen=True)
class Reject:
    """A source item that could not become a record: why, and when that was last seen (UTC, ISO 8601)."""

    id: str
    uri: str
    reason: RejectReason
    detail: str
    rejected_at: str


def items_schema(dim: int, *, patches: bool = False) -> pa.Schema:
    """Columns of `items.lance`.

    Args:
        dim: d.
        patches: whether there is one for what a proofreader reads of an image; it came later, and may hold nulls.
    """
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("uri", pa.string(), nullable=False),
            pa.field("sha256", pa.string(), nullable=False),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
            pa.field("captions", pa.list_(pa.string()), nullable=False),
            pa.field("metadata", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), dim), nullable=False),
            *([patches_field()] if patches else []),
        ]
    )


def patches_field() -> pa.Field:
    """The column of stored patches: `StoredImage.to_bytes`, or null."""
    return pa.field(PATCHES, pa.binary())


def video_fields() -> list[pa.Field]:
    """The columns of a `Video`, all null for a picture; they came later, and are there once a video came."""
    return [
        pa.field(VIDEO_SECONDS, pa.float64()),
        pa.field(VIDEO_MOMENTS, pa.int32()),
        pa.field(VIDEO_KEY, pa.string()),
    ]


def moments_schema(dim: int) -> pa.Schema:
    """Columns of `moments.lance`: one row an embedded frame of a video, with a small JPEG of it."""
    return pa.schema(
        [
            pa.field("item_id", pa.string(), nullable=False),
            pa.field("key", pa.string(), nullable=False),
            pa.field("position", pa.int32(), nullable=False),
            pa.field("seconds", pa.float64(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), dim), nullable=False),
            pa.field("still", pa.binary(), nullable=False),
        ]
    )


def captions_schema(dim: int) -> pa.Schema:
    """Columns of `captions.lance`: one row a caption, for image-to-text search."""
    return pa.schema(
        [
            pa.field("item_id", pa.string(), nullable=False),
            pa.field("position", pa.int32(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), dim), nullable=False),
        ]
    )


def rejects_schema() -> pa.Schema:
    """Columns of `rejects.lance`."""
    names = ("id", "uri", "reason", "detail", "rejected_at")
    return pa.schema([pa.field(name, pa.string(), nullable=False) for name in names])


def check_name(name: str) -> None:
    """Refuse what cannot name a collection.

    Raises:
        CollectionNameInvalid: *name* breaks the rule.
    """
    if not _NAME.fullmatch(name):
        raise CollectionNameInvalid(
            f"{name!r} cannot name a collection: use 1-64 of a-z, 0-9, '.', '_' and '-', beginning with a-z or 0-9"
        )


def check_id(item_id: str) -> None:
    """Refuse what cannot be an item's id.

    Raises:
        ItemInvalid: "bad-id".
    """
    if not item_id:
        raise ItemInvalid("bad-id", "the id is empty: give each item one")
    size = len(encoded(item_id, "bad-id", "id"))
    if size > MAX_ID_BYTES:
        raise ItemInvalid("bad-id", f"the id has {size} bytes in UTF-8, {MAX_ID_BYTES} are allowed: shorten it")
    if any(is_control(character) for character in item_id):
        raise ItemInvalid("bad-id", f"the id {item_id!r} holds control characters: remove them")
    if item_id.endswith(_RESERVED_ENDS):
        raise ItemInvalid("bad-id", f"the id {item_id!r} ends like one of the service's URLs: rename it")
    if item_id in (".", ".."):
        raise ItemInvalid("bad-id", f"the id {item_id!r} cannot stand in a URL: rename it")


def is_valid_id(item_id: str) -> bool:
    """Whether `check_id` accepts it."""
    try:
        check_id(item_id)
    except ItemInvalid:
        return False
    return True


def lists(captions: Sequence[str], position: int, text: str) -> bool:
    """Whether an item with those *captions* lists that text at that position: a caption's row counts only while it does."""
    return position < len(captions) and captions[position] == text


def check_captions(captions: Sequence[str]) -> None:
    """Refuse captions that cannot be stored or embedded.

    Raises:
        ItemInvalid: "bad-caption".
    """
    if len(captions) > MAX_CAPTIONS:
        raise ItemInvalid("bad-caption", f"{len(captions)} captions, {MAX_CAPTIONS} are allowed: keep the best")
    for caption in captions:
        size = len(encoded(caption, "bad-caption", "caption"))
        if size > MAX_CAPTION_BYTES:
            raise ItemInvalid("bad-caption", f"a caption has {size} bytes, {MAX_CAPTION_BYTES} are allowed: cut it")


def metadata_to_json(metadata: Metadata) -> str:
    """The stored form: `canonical_json` of metadata that keep the rules.

    Raises:
        ItemInvalid: "bad-metadata": nested too deep, NaN or infinity, not JSON, or too long.
    """
    if _is_deep(metadata):
        raise ItemInvalid("bad-metadata", f"the metadata are nested more than {MAX_METADATA_DEPTH} deep: flatten them")
    try:
        text = canonical_json(metadata)
    except (ValueError, TypeError, RecursionError) as error:
        place = next(_not_finite(metadata, "metadata"), None)
        if place is not None:
            said = f"{place}, which is no number in JSON: leave it out, or write null"
            raise ItemInvalid("bad-metadata", said) from error
        raise ItemInvalid("bad-metadata", f"the metadata are not JSON ({error}): mend the source") from error
    size = len(encoded(text, "bad-metadata", "metadata"))
    if size > MAX_METADATA_BYTES:
        raise ItemInvalid("bad-metadata", f"the metadata have {size} bytes as JSON, {MAX_METADATA_BYTES} are allowed")
    return text


def _not_finite(value: object, path: str) -> Iterator[str]:
    """The places of NaN and infinity in it, in words; no deeper than metadata may be."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{path} is {json.dumps(value)}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            # half a surrogate pair, as JSON may hold it, cannot be written
            name = str(key).encode(errors="backslashreplace").decode()
            yield from _not_finite(inner, f"{path}.{name if len(name) <= _MAX_SHOWN else name[:_MAX_SHOWN] + '…'}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _not_finite(inner, f"{path}[{at}]")


def canonical_json(metadata: Metadata) -> str:
    """Compact JSON, keys sorted: equal metadata are equal strings. What is stored was checked by the rules of its day."""
    return json.dumps(metadata, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _is_deep(metadata: Metadata) -> bool:
    """Whether lists and objects stand in each other deeper than any reader of the answers should be asked to follow."""
    level: list[object] = [metadata]
    for _ in range(MAX_METADATA_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def encoded(text: str, reason: ItemFault, what: str) -> bytes:
    """*text* in UTF-8.

    Raises:
        ItemInvalid: with *reason*, when it holds lone surrogates.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ItemInvalid(reason, f"the {what} is not Unicode text ({error.reason}): mend the source") from error


def is_control(character: str) -> bool:
    """C0, DEL and C1 control characters, and the separators that end a line."""
    code = ord(character)
    return code < 32 or 127 <= code < 160 or code in (0x2028, 0x2029)
