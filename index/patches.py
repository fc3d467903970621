"""What a proofreader reads of the images, in a column of the items: to re-rank, no picture is decoded again.

The column came after the first collections, so it may be missing, and where it is there a row may hold null. What it
holds belongs to the bundle that embedded the collection: nothing but the digest has to agree.
"""

from collections.abc import Iterable, Sequence

import lance
import pyarrow as pa

from index.datasets import rows_at, rows_of_ids
from index.schema import PATCHES, patches_field

_THERE = f"{PATCHES} IS NOT NULL"


def keeps_patches(items: lance.LanceDataset) -> bool:
    """Whether the items have the column."""
    return PATCHES in items.schema.names


def has_patches(items: lance.LanceDataset) -> bool:
    """Whether at least one item has patches; reads no more than it takes to find one."""
    return keeps_patches(items) and items.to_table(columns=["id"], filter=_THERE, limit=1).num_rows > 0


def with_patches(items: lance.LanceDataset) -> lance.LanceDataset:
    """The items with the column, full of nulls where it was missing; row ids stay, and nothing is written anew."""
    if not keeps_patches(items):
        items.add_columns(pa.schema([patches_field()]))
        items = items.checkout_version(items.latest_version)
    return items


def ids_with_patches(items: lance.LanceDataset, ids: Iterable[str]) -> set[str]:
    """Which of those ids have patches."""
    if not keeps_patches(items):
        return set()
    table = rows_of_ids(items, "id", ids, {"id": "id", "there": _THERE})
    return {item for item, there in zip(table["id"].to_pylist(), table["there"].to_pylist(), strict=True) if there}


def patches_of(items: lance.LanceDataset, ids: Iterable[str]) -> dict[str, bytes]:
    """Patches of the items of those ids that have them, by id."""
    if not keeps_patches(items):
        return {}
    table = rows_of_ids(items, "id", ids, ["id", PATCHES])
    found = zip(table["id"].to_pylist(), table[PATCHES].to_pylist(), strict=True)
    return {item: patches for item, patches in found if patches is not None}


def patches_at(items: lance.LanceDataset, rows: Sequence[int]) -> dict[int, bytes]:
    """Patches of those row ids that have them, by row id."""
    if not keeps_patches(items):
        return {}
    table = rows_at(items, rows, [PATCHES])
    found = zip(table["_rowid"].to_pylist(), table[PATCHES].to_pylist(), strict=True)
    return {row: patches for row, patches in found if patches is not None}
