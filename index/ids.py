"""Looking rows up by a column of strings while small commits come one after the other.

The B-tree over the column knows the rows of the files that it was brought up to date with. Those of later files would have
to be opened for every look-up: 0.1 ms of a core each. A writer that stays with a collection keeps the ids in them in
memory instead, those that it wrote and those that others wrote, each file read once.
"""

import itertools
from collections.abc import Iterable, Sequence

import lance
import numpy as np
import pyarrow as pa

from index.datasets import row_addresses, row_ids, rows_at, rows_of_ids
from index.replace import ADDRESS_BITS

# Rows of files that the B-tree does not know: of more, nothing is kept.
_MOST_RECENT = 65_536
# From here on a look-up by id is faster through a B-tree than by reading the column: 1.4 ms against 48 ms at 500,000.
INDEX_FROM_ROWS = 4_096


class RecentIds:
    """Rows by the column *key* of one dataset at rising versions; used by one thread.

    Args:
        key: a column of strings that may have a B-tree; what it holds of one row never changes.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        # of each file that the B-tree does not know; rows that were deleted since stay until the file is merged
        self._files: dict[int, dict[str, tuple[int, ...]]] = {}

    def rows(self, dataset: lance.LanceDataset, keys: Iterable[str], columns: list[str]) -> pa.Table:
        """The rows whose key is among *keys*, with `_rowid` and `_rowaddr`, in any order."""
        wanted = list(dict.fromkeys(keys))
        columns = list(dict.fromkeys([self._key, *columns]))
        indexed = self._follow(dataset)
        if indexed is None:
            return rows_of_ids(dataset, self._key, wanted, columns, addresses=True)
        recent = {row for file in self._files.values() for key in wanted for row in file.get(key, ())}
        if indexed and not recent:
            return rows_of_ids(dataset, self._key, wanted, columns, addresses=True, indexed_only=True)
        found = rows_at(dataset, sorted(recent), columns, addresses=True)
        if not indexed:
            return found
        older = rows_of_ids(dataset, self._key, wanted, columns, addresses=True, indexed_only=True)
        # a row that was rewritten may be in a file that the B-tree has heard of meanwhile
        return pa.concat_tables([found, older.filter(~np.isin(row_ids(older), row_ids(found)))])

    def wrote(self, file: int, keys: Sequence[str], rows: Sequence[int]) -> None:
        """Know the keys (n,) of the row ids (n,) in a file that was just committed."""
        self._files[file] = {}
        self._keep(zip(keys, rows, itertools.repeat(file)))

    def _follow(self, dataset: lance.LanceDataset) -> bool | None:
        """Read the ids in files that are new; whether the B-tree knows others, None where too many rows are new to it."""
        is_indexed, unknown = _unknown(dataset, self._key)
        recent = {each.fragment_id: each for each in unknown}
        if sum(each.physical_rows for each in recent.values()) > _MOST_RECENT:
            self._files.clear()
            return None
        self._files = {file: ids for file, ids in self._files.items() if file in recent}
        fresh = [each for file, each in recent.items() if file not in self._files]
        if fresh:
            self._files |= {each.fragment_id: {} for each in fresh}
            self._read(dataset, fresh)
        return is_indexed

    def _read(self, dataset: lance.LanceDataset, files: list[lance.LanceFragment]) -> None:
        scan = dataset.scanner(columns=[self._key], fragments=files, with_row_id=True, with_row_address=True)
        table = scan.to_table()
        places = row_addresses(table) >> ADDRESS_BITS
        self._keep(zip(table[self._key].to_pylist(), row_ids(table).tolist(), places.tolist(), strict=True))

    def _keep(self, found: Iterable[tuple[str, int, int]]) -> None:
        for key, row, file in found:
            # tuples of numbers are nothing to Python's collector, which lists would keep busy
            ids = self._files[file]
            ids[key] = (*ids.get(key, ()), row)


def update_index(dataset: lance.LanceDataset, key: str, *, behind: int = 0) -> None:
    """Bring the B-tree over a column of ids up to date; a small dataset gets none. Writers go on meanwhile.

    Args:
        dataset: as it is now.
        key: the column.
        behind: rows that the B-tree may lack; to bring it up to date costs what all its rows cost.
    """
    is_indexed, unknown = _unknown(dataset, key)
    if not is_indexed:
        if dataset.count_rows() >= INDEX_FROM_ROWS:
            dataset.create_scalar_index(key, "BTREE")
    elif sum(each.physical_rows for each in unknown) > behind:
        # those over fields take longer, and are brought up to date less often: `index.fields.indexes`
        names = [index.name for index in dataset.describe_indices() if index.field_names == [key]]
        dataset.optimize.optimize_indices(index_names=names)


def _unknown(dataset: lance.LanceDataset, key: str) -> tuple[bool, list[lance.LanceFragment]]:
    """Whether there is a B-tree over a column, and the files that it does not know: all where there is none."""
    indexes = [index for index in dataset.describe_indices() if index.field_names == [key]]
    known = {file for index in indexes for segment in index.segments for file in segment.fragment_ids}
    return bool(indexes), [each for each in dataset.get_fragments() if each.fragment_id not in known]
