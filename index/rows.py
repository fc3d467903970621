"""Records to Arrow tables and back."""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from index.fields.columns import typed_columns
from index.fields.types import Field, derived_fields
from index.schema import (
    PATCHES,
    VIDEO_KEY,
    VIDEO_MOMENTS,
    VIDEO_SECONDS,
    Record,
    Reject,
    Video,
    captions_schema,
    items_schema,
    metadata_to_json,
    rejects_schema,
    video_fields,
)

RECORD_COLUMNS = ["id", "uri", "sha256", "width", "height", "captions", "metadata"]


@dataclass(frozen=True)
class MomentRows:
    """The moments of one video.

    Attributes:
        seconds: (m,) float64, when each is shown, rising.
        vectors: (m, d) float32, unit norm.
        stills: a small JPEG of each.
    """

    seconds: np.ndarray
    vectors: np.ndarray
    stills: tuple[bytes, ...]


@dataclass(frozen=True)
class Entry:
    """One item to write.

    Attributes:
        record: what is known of it.
        vector: (d,) of its image, unit norm.
        caption_vectors: (c, d) of its c captions, unit norm.
        patches: what a proofreader reads of its image, if that was stored.
        moments: of a video; None leaves those that are stored.
    """

    record: Record
    vector: np.ndarray
    caption_vectors: np.ndarray
    patches: bytes | None = None
    moments: MomentRows | None = None


@dataclass(frozen=True)
class CaptionRow:
    """One caption: the *position*-th text of item *item_id*."""

    item_id: str
    position: int
    text: str


def caption_rows(record: Record) -> list[CaptionRow]:
    """The captions of a record, one by one."""
    return [CaptionRow(record.id, position, text) for position, text in enumerate(record.captions)]


def items_table(
    entries: Sequence[Entry], dim: int, *, patches: bool = False, videos: bool = False, fields: Iterable[Field] = ()
) -> pa.Table:
    """Rows of `items.lance`, which may have a column of patches, those of videos, and those of typed fields."""
    records = [entry.record for entry in entries]
    columns: dict[str, Sequence[object] | pa.Array] = {
        "id": [record.id for record in records],
        "uri": [record.uri for record in records],
        "sha256": [record.sha256 for record in records],
        "width": [record.width for record in records],
        "height": [record.height for record in records],
        "captions": [list(record.captions) for record in records],
        "metadata": [metadata_to_json(record.metadata) for record in records],
        "vector": vector_column([entry.vector for entry in entries], dim),
    }
    if patches:
        columns[PATCHES] = [entry.patches for entry in entries]
    table = pa.table(columns, schema=items_schema(dim, patches=patches))
    for column in video_fields() if videos else ():
        values = [_of_video(record.video, column.name) for record in records]
        table = table.append_column(column, pa.array(values, column.type))
    # a value that does not fit its field is null there; the metadata keep it
    typed, _ = typed_columns([record.metadata for record in records], fields)
    for name, column in typed.items():
        table = table.append_column(name, column)
    return table


def items_like(schema: pa.Schema, entries: Sequence[Entry], dim: int) -> pa.Table:
    """Rows for all the columns that items of that schema have."""
    names = schema.names
    return items_table(entries, dim, patches=PATCHES in names, videos=VIDEO_KEY in names, fields=derived_fields(schema))


def captions_table(entries: Sequence[Entry], kept: Container[CaptionRow], dim: int) -> pa.Table:
    """Rows of `captions.lance` for every caption of *entries* that is not among *kept*."""
    rows: list[CaptionRow] = []
    vectors: list[np.ndarray] = []
    for entry in entries:
        for row in caption_rows(entry.record):
            if row not in kept:
                rows.append(row)
                vectors.append(entry.caption_vectors[row.position])
    columns = {
        "item_id": [row.item_id for row in rows],
        "position": [row.position for row in rows],
        "text": [row.text for row in rows],
        "vector": vector_column(vectors, dim),
    }
    return pa.table(columns, schema=captions_schema(dim))


def rejects_table(rejects: Sequence[Reject]) -> pa.Table:
    """Rows of `rejects.lance`."""
    rows = [vars(reject) for reject in rejects]
    return pa.Table.from_pylist(rows, schema=rejects_schema())


def vector_column(vectors: Sequence[np.ndarray], dim: int) -> pa.Array:
    """N vectors (d,) as a float16 column.

    Raises:
        ValueError: a vector has another dimension, or holds NaN or infinity.
    """
    matrix = np.asarray(vectors, np.float16) if vectors else np.zeros((0, dim), np.float16)
    if matrix.shape != (len(vectors), dim) or not np.isfinite(matrix).all():
        raise ValueError(f"vectors of shape {matrix.shape} must be finite and have d={dim}: embed them again")
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), dim)


def vectors_of(column: pa.ChunkedArray | pa.Array, dim: int) -> np.ndarray:
    """A float16 column as (N, d) float32."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.flatten().to_numpy(zero_copy_only=False).reshape(len(column), dim).astype(np.float32)


def records_of(table: pa.Table) -> list[Record]:
    """Records of rows that have `record_columns`."""
    return [record_of(row) for row in table.select(record_columns(table.schema)).to_pylist()]


def record_of(row: Mapping[str, Any]) -> Record:
    """The record of a row's `record_columns`."""
    return Record(
        id=row["id"],
        uri=row["uri"],
        sha256=row["sha256"],
        width=row["width"],
        height=row["height"],
        captions=tuple(row["captions"]),
        metadata=json.loads(row["metadata"]),
        video=_video(row),
    )


def record_columns(schema: pa.Schema) -> list[str]:
    """The columns of a record, as far as items of that schema have them."""
    return RECORD_COLUMNS + [field.name for field in video_fields() if field.name in schema.names]


def _video(row: Mapping[str, Any]) -> Video | None:
    key = row.get(VIDEO_KEY)
    return None if key is None else Video(row[VIDEO_SECONDS], row[VIDEO_MOMENTS], key)


def _of_video(video: Video | None, column: str) -> object:
    if video is None:
        return None
    return {VIDEO_SECONDS: video.seconds, VIDEO_MOMENTS: video.moments, VIDEO_KEY: video.key}[column]
