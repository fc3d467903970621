"""The records of a snapshot's items, in a file that is mapped into memory: what was found is shown without asking Lance.

A look-up of ten rows costs Lance 2 ms of a core, and these 0.1. They are right at every later version too: a row that is alive in
a snapshot is as it was when that was made, for whatever was written since is in the tail, which keeps packed ones.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path

import lance
import pyarrow as pa

from index.errors import SnapshotInvalid
from index.rows import record_columns, record_of
from index.schema import Record

RECORDS_FILE = "records.arrow"
_BATCH_ROWS = 16_384


def write_records(items: lance.LanceDataset, path: Path) -> int:
    """Write the records of all *items*, in the order of storage, which is that of an index's positions; how many."""
    columns = record_columns(items.schema)
    scan = items.scanner(columns=columns, scan_in_order=True, batch_size=_BATCH_ROWS)
    schema = pa.schema([items.schema.field(name) for name in columns])
    rows = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for batch in scan.to_batches():
            writer.write_batch(batch.select(columns).cast(schema))
            rows += batch.num_rows
    return rows


def packed(record: Record) -> bytes:
    """A record to be kept in memory, or to be given to another process of ours."""
    return pickle.dumps(record, pickle.HIGHEST_PROTOCOL)


def unpacked(data: bytes) -> Record:
    """What was packed."""
    return pickle.loads(data)  # noqa: S301 - ours


class Records:
    """N records by position; immutable, safe to share between threads."""

    def __init__(self, table: pa.Table) -> None:
        self._columns = {name: table[name] for name in table.column_names}
        self._rows = table.num_rows

    @classmethod
    def open(cls, path: Path) -> "Records":
        """Map the file; nothing is read before it is asked for.

        Raises:
            SnapshotInvalid: it is not such a file.
        """
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            return cls(table.select(record_columns(table.schema)))
        except (pa.ArrowException, KeyError, OSError) as error:
            raise SnapshotInvalid(f"{path} holds no records ({error}): publish the collection again") from error

    def __len__(self) -> int:
        """N."""
        return self._rows

    def at(self, positions: Sequence[int]) -> list[Record]:
        """Those at the positions, in their order."""
        return [
            record_of({name: column[position].as_py() for name, column in self._columns.items()})
            for position in positions
        ]
