"""Looking rows up by a column of strings while small commits come one after the other.

The B-tree over the column knows the rows of the files that it was brought up to date with. Those of later files would have
to be opened for every look-up: 0.4 ms of a core each. A writer that stays with a collection holds the ids in them in
memory instead, those that it wrote and those that others wrote, each file read once; and one that writes a few rows at a time
those in all files, for a look-up through the B-tree costs it as much as all else of a commit.
"""

from collections.abc import Iterable

import lance
import numpy as np
import pyarrow as pa

from index.datasets import row_addresses, row_ids, rows_at, rows_of_ids
from index.file_ids import FileIds, hashes_of
from index.replace import ADDRESS_BITS, OFFSET

# Rows of files that the B-tree does not know: of more, nothing is held.
_MOST_RECENT = 65_536
# Rows of all files: of more, those alone are held that the B-tree does not know. Each takes 30 bytes and its id.
_MOST = 1_048_576
# From here on a look-up by id is faster through a B-tree than by reading the column: 1.4 ms against 48 ms at 500,000.
INDEX_FROM_ROWS = 4_096


class RecentIds:
    """Rows by the column *key* of one dataset at rising versions; used by one thread.

    Args:
        key: a column of strings that may have a B-tree; what it holds of one row never changes.
        whole: hold the ids in all files, unless there are too many.
    """

    def __init__(self, key: str, *, whole: bool = False) -> None:
        self._key = key
        self._whole = whole
        self._files: dict[int, FileIds] = {}

    def rows(self, dataset: lance.LanceDataset, keys: Iterable[str], columns: list[str]) -> pa.Table:
        """The rows whose key is among *keys*, with `_rowid` and `_rowaddr`, in any order."""
        wanted = list(dict.fromkeys(keys))
        columns = list(dict.fromkeys([self._key, *columns]))
        indexed = self._follow(dataset)
        if indexed is None:
            return rows_of_ids(dataset, self._key, wanted, columns, addresses=True)
        held = self._held(dataset, wanted, columns)
        if not indexed:
            return held
        older = rows_of_ids(dataset, self._key, wanted, columns, addresses=True, indexed_only=True)
        # a row that was rewritten may be in a file that the B-tree has heard of meanwhile
        return pa.concat_tables([held, older.filter(~np.isin(row_ids(older), row_ids(held)))])

    def wrote(self, file: int, keys: pa.ChunkedArray, rows: np.ndarray) -> None:
        """Know the keys (n,) of the row ids (n,) in a file that was just committed, in its order."""
        self._files[file] = FileIds(_combined(keys), rows, np.arange(len(rows)), 0)

    def dropped(self, places: np.ndarray) -> None:
        """Know that the rows at those addresses (n,) were just deleted."""
        for file in np.unique(places >> ADDRESS_BITS).tolist():
            if file in self._files:
                self._files[file].drop(places[places >> ADDRESS_BITS == file] & OFFSET)

    def _held(self, dataset: lance.LanceDataset, keys: list[str], columns: list[str]) -> pa.Table:
        """Those in files that are held."""
        hashes = hashes_of(keys)
        found = [(file, each) for file, ids in self._files.items() for each in ids.find(keys, hashes)]
        if columns != [self._key]:
            return rows_at(dataset, sorted(each.row for _, each in found), columns, addresses=True)
        texts = pa.array([each.key for _, each in found], pa.string())
        rows = pa.array([each.row for _, each in found], pa.uint64())
        places = pa.array([file << ADDRESS_BITS | each.offset for file, each in found], pa.uint64())
        places_of = [("_rowid", pa.uint64()), ("_rowaddr", pa.uint64())]
        schema = pa.schema([dataset.schema.field(self._key), *places_of])
        return pa.table([texts, rows, places], schema=schema)

    def _follow(self, dataset: lance.LanceDataset) -> bool | None:
        """Read what is not held yet; whether the B-tree knows others, None where too many rows are new to it."""
        files = dataset.get_fragments()
        is_indexed = not self._whole or sum(each.physical_rows for each in files) > _MOST
        if is_indexed:
            is_indexed, files = _unknown(dataset, self._key)
            if sum(each.physical_rows for each in files) > _MOST_RECENT:
                self._files.clear()
                return None
        now = {each.fragment_id: each for each in files}
        # rows are deleted and never come back: where as many are gone as we know of, it is those
        self._files = {
            file: ids for file, ids in self._files.items() if file in now and now[file].num_deletions == ids.deletions
        }
        fresh = [each for file, each in now.items() if file not in self._files]
        while fresh:
            together, rows = 1, fresh[0].physical_rows
            while together < len(fresh) and (rows := rows + fresh[together].physical_rows) <= _MOST_RECENT:
                together += 1
            self._read(dataset, fresh[:together])
            fresh = fresh[together:]
        return is_indexed

    def _read(self, dataset: lance.LanceDataset, files: list[lance.LanceFragment]) -> None:
        scan = dataset.scanner(columns=[self._key], fragments=files, with_row_id=True, with_row_address=True)
        table = scan.to_table()
        rows, places = row_ids(table), row_addresses(table)
        for each in files:
            here = np.flatnonzero(places >> ADDRESS_BITS == each.fragment_id)
            keys = _combined(table[self._key].take(pa.array(here)))
            self._files[each.fragment_id] = FileIds(keys, rows[here], places[here] & OFFSET, each.num_deletions)


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


def _combined(keys: pa.ChunkedArray) -> pa.Array:
    found = keys.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
