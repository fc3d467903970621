"""What became of a collection's items between two versions, by row and by id."""

from dataclasses import dataclass

import lance
import numpy as np

from index.collection import Collection
from index.datasets import row_ids, rows_at
from index.live.changes import gone, scan_written

_BLOCK = 8_192


class BaseGone(Exception):
    """The older version was cleaned away: what changed since cannot be told from it."""


@dataclass(frozen=True)
class Delta:
    """From an older version to the collection *now*.

    Attributes:
        now: pinned at the newer version.
        rows: (w,) int64 row ids of items that were written, new ones and changed ones.
        gone: ids of items that were there and are not any more.
    """

    now: Collection
    rows: np.ndarray
    gone: list[str]

    def __len__(self) -> int:
        """How many items changed."""
        return len(self.rows) + len(self.gone)


def delta(old: lance.LanceDataset, now: Collection) -> Delta:
    """What changed after *old*, the items at an older version.

    Raises:
        BaseGone: that version is not there any more.
    """
    try:
        scanner = scan_written(old, now.items, [])
        rows = np.zeros(0, np.int64) if scanner is None else row_ids(scanner.to_table())
        dead = gone(old, now.items)
        ids = [item_id for start in range(0, len(dead), _BLOCK) for item_id in _ids(old, dead[start : start + _BLOCK])]
    except (OSError, ValueError, RuntimeError) as error:
        # Lance has no one exception for files that are gone
        raise BaseGone(str(error)) from error
    there = now.known(ids) if ids else {}
    return Delta(now, rows, [each for each in ids if each not in there])


def all_rows(collection: Collection) -> np.ndarray:
    """(n,) int64 row ids of all items, in storage order."""
    return row_ids(collection.items.scanner(columns=[], with_row_id=True, scan_in_order=True).to_table())


def _ids(items: lance.LanceDataset, rows: np.ndarray) -> list[str]:
    return rows_at(items, rows.tolist(), ["id"])["id"].to_pylist()
