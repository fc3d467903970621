"""The three Lance datasets under a collection: making and opening them together, and looking rows up."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lance import Session  # pyright: ignore[reportPrivateImportUsage] - its documentation names it so
from pydantic import ValidationError

from index.errors import CollectionInvalid, CollectionMissing
from index.rows import CaptionRow
from index.schema import (
    COLLECTION_FILE,
    SCHEMA_VERSION,
    CollectionInfo,
    captions_schema,
    items_schema,
    lists,
    rejects_schema,
)
from index.sealed_json import refuse_newer
from models.sealed import write_atomically

ITEMS, CAPTIONS, REJECTS = "items.lance", "captions.lance", "rejects.lance"
CAPTION_COLUMNS = ["item_id", "position", "text"]
# What Lance remembers of the indexes and files of one dataset and its later versions, in bytes. It would let that grow to 7 GB.
_INDEX_MEMORY, _FILE_MEMORY = 256 * 2**20, 64 * 2**20
# the same of all datasets of a job, which goes through a collection once
_JOB_INDEX_MEMORY, _JOB_FILE_MEMORY = 16 * 2**20, 8 * 2**20


def read_info(path: Path, name: str | None = None) -> CollectionInfo:
    """Read and validate `collection.json` in folder *path*; with a *name*, of the collection of that name.

    Raises:
        CollectionMissing: there is none.
        CollectionTooNew: its schema version is above `SCHEMA_VERSION`.
        CollectionInvalid: not JSON, or fields missing, unknown or out of range.
    """
    file = path / COLLECTION_FILE
    if not file.is_file():
        raise CollectionMissing(f"no collection at {path}: `vilem index build` makes one, `vilem index list` lists all")
    data = file.read_bytes()
    try:
        refuse_newer(file, data, SCHEMA_VERSION)
        return _of_that_name(path, name, CollectionInfo.model_validate_json(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise CollectionInvalid(f"{file}: {where}: {first['msg']}: restore it from a copy") from error


def _of_that_name(path: Path, name: str | None, info: CollectionInfo) -> CollectionInfo:
    # a folder that was copied or renamed would be listed by one name and answer to another
    if name is not None and info.name != name:
        raise CollectionInvalid(
            f"{path} holds the collection {info.name!r}: give the folder that name back, or remove it"
        )
    return info


def make_datasets(path: Path, info: CollectionInfo) -> None:
    """Write empty datasets, and then the file that makes the folder a collection."""
    schemas = {ITEMS: items_schema(info.dim), CAPTIONS: captions_schema(info.dim), REJECTS: rejects_schema()}
    for folder, schema in schemas.items():
        # an attempt that was killed before collection.json was written left datasets without rows
        shutil.rmtree(path / folder, ignore_errors=True)
        lance.write_dataset(schema.empty_table(), path / folder, schema=schema, enable_stable_row_ids=True)
    write_atomically(path / COLLECTION_FILE, (info.model_dump_json(indent=2) + "\n").encode())


def open_pair(
    path: Path, version: int | None, captions_version: int | None, session: Session | None = None
) -> tuple[lance.LanceDataset, lance.LanceDataset]:
    """Items and captions in folder *path*, at those versions; None = the latest, and both of one moment.

    What Lance remembers of both, and of their later versions, is in the *session*; each has one of its own where none is given.

    Raises:
        CollectionMissing: the version is not there.
        CollectionInvalid: a dataset is not there, or damaged.
    """
    items = open_dataset(path / ITEMS, version, session)
    captions = open_dataset(path / CAPTIONS, captions_version, session)
    return (items, captions) if version is not None else newest_pair(items, captions)


def newest_pair(
    items: lance.LanceDataset, captions: lance.LanceDataset
) -> tuple[lance.LanceDataset, lance.LanceDataset]:
    """Items and captions as they are now, both of one moment; raises as `newest`."""
    while True:
        items = newest(items)
        captions = newest(captions)
        # Captions are written before their items and removed after them. If no item was committed meanwhile, the
        # captions of all the items seen are there.
        if items.latest_version == items.version:
            return items, captions


def newest(dataset: lance.LanceDataset) -> lance.LanceDataset:
    """A dataset as it is now; what was read of its files and indexes before is not read again.

    A handle of its own, also where nothing was written: merging files and making indexes move the handle that they are given, and
    what searches see must stay where it is.

    Raises:
        CollectionInvalid: it is gone, or damaged.
    """
    try:
        return dataset.checkout_version(dataset.latest_version)
    except (OSError, ValueError) as error:
        raise CollectionInvalid(_damaged(Path(dataset.uri))) from error


def job_session() -> Session:
    """For a job's datasets."""
    return Session(index_cache_size_bytes=_JOB_INDEX_MEMORY, metadata_cache_size_bytes=_JOB_FILE_MEMORY)


def open_dataset(path: Path, version: int | None = None, session: Session | None = None) -> lance.LanceDataset:
    """One dataset at a version; see `open_pair`.

    Raises:
        CollectionMissing: the version is not there.
        CollectionInvalid: the dataset is not there, or damaged.
    """
    try:
        session = session or Session(index_cache_size_bytes=_INDEX_MEMORY, metadata_cache_size_bytes=_FILE_MEMORY)
        return lance.dataset(path, version=version, session=session)
    except ValueError as error:
        # Lance tells where in its own source it noticed; its readers need not know
        if version is None or not path.is_dir():
            raise CollectionInvalid(_damaged(path)) from error
        raise CollectionMissing(f"there is no version {version} of {path} any more: use the latest") from error


def _damaged(path: Path) -> str:
    return f"{path} is missing or damaged: restore it from a copy, or remove {path.parent} and build it again"


def rows_of_ids(
    dataset: lance.LanceDataset,
    key: str,
    ids: Iterable[str],
    columns: list[str] | dict[str, str],
    *,
    addresses: bool = False,
    indexed_only: bool = False,
) -> pa.Table:
    """The rows whose column *key* is among *ids*, with `_rowid`; ids are bound values, never text of a query.

    Args:
        dataset: where to look.
        key: a column of strings.
        ids: what it may hold.
        columns: by name, or expressions by the name that they get.
        addresses: with `_rowaddr` too.
        indexed_only: leave out what the B-tree over the key does not know.
    """
    wanted = pc.field(key).isin(pa.array(list(dict.fromkeys(ids)), pa.string()))
    return dataset.scanner(
        columns=columns, filter=wanted, with_row_id=True, with_row_address=addresses, fast_search=indexed_only
    ).to_table()


def rows_at(
    dataset: lance.LanceDataset, rows: Sequence[int], columns: list[str], *, addresses: bool = False
) -> pa.Table:
    """The rows of those row ids that are there, in any order, with `_rowid`; on request with `_rowaddr` too."""
    condition = row_filter(rows) if rows else "false"
    return dataset.to_table(columns=columns, filter=condition, with_row_id=True, with_row_address=addresses)


def row_filter(rows: Sequence[int]) -> str:
    """A predicate that holds for those row ids."""
    return f"_rowid IN ({','.join(str(int(row)) for row in rows)})"


def row_ids(read: pa.RecordBatch | pa.Table) -> np.ndarray:
    """(n,) int64 row ids of a batch or table that was read with them."""
    return read["_rowid"].to_numpy(zero_copy_only=False).astype(np.int64)


def stored_captions(captions: lance.LanceDataset, item_ids: Iterable[str]) -> dict[CaptionRow, int]:
    """Row ids of the captions stored for those items, whether they count or not."""
    table = rows_of_ids(captions, "item_id", item_ids, CAPTION_COLUMNS)
    return dict(zip(captions_in(table), row_ids(table).tolist(), strict=True))


def row_addresses(read: pa.RecordBatch | pa.Table) -> np.ndarray:
    """(n,) int64, file and offset in one number, of a batch or table that was read with them."""
    return read["_rowaddr"].to_numpy(zero_copy_only=False).astype(np.int64)


def captions_in(table: pa.Table) -> list[CaptionRow]:
    """Row by row what a table holds that was read with `CAPTION_COLUMNS`."""
    return [CaptionRow(**row) for row in table.select(CAPTION_COLUMNS).to_pylist()]


def live_captions(items: lance.LanceDataset, batch: pa.RecordBatch) -> np.ndarray:
    """(n,) bool: whether the item of each caption row lists that text at that position."""
    item_ids = batch["item_id"].to_pylist()
    table = rows_of_ids(items, "id", item_ids, ["id", "captions"])
    texts: dict[str, list[str]] = dict(zip(table["id"].to_pylist(), table["captions"].to_pylist(), strict=True))
    rows = zip(item_ids, batch["position"].to_pylist(), batch["text"].to_pylist(), strict=True)
    return np.array([lists(texts.get(item, []), at, text) for item, at, text in rows], bool)
