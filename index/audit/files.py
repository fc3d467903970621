"""Items whose picture is not what was indexed any more."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from index.errors import SourceError
from index.neighbours import Tell
from index.schema import Record
from index.searcher import Searcher

_READERS = 4
# records in memory, and what Ctrl-C waits for
_CHUNK = 64


def broken_files(searcher: Searcher, rows: np.ndarray, tell: Tell) -> Iterator[tuple[Record, str]]:
    """Read every picture and compare it with its SHA-256; those that are gone, unreadable or changed, and why.

    Args:
        searcher: of the collection.
        rows: (n,) int64 row ids of the items. One that came without a picture is not broken.
        tell: called as it goes on.
    """

    def fault(record: Record) -> str | None:
        try:
            searcher.image_bytes(record)
        except SourceError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(rows), _CHUNK):
            tell("reading pictures", start, len(rows))
            found = searcher.view.collection.records_at(rows[start : start + _CHUNK].tolist())
            records = [record for record in found if record is not None and record.uri]
            for record, why in zip(records, pool.map(fault, records), strict=True):
                if why is not None:
                    yield record, why
    tell("reading pictures", len(rows), len(rows))
