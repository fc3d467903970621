"""Moving rows from Lance to a store, and looking whether they arrived."""

from collections.abc import Callable

import lance
import numpy as np

from index.errors import MilvusMismatch
from index.milvus.connection import Connection
from index.milvus.part import MilvusPart
from index.milvus.store import count_rows
from index.milvus.stored import Stored

# An approximate index may miss one that is not lost; vectors of half precision are a thousandth off.
_CANARIES = 64
_MAY_MISS = 2
_SCORE_SLACK = 2e-3

# told how many rows were sent so far
Sent = Callable[[int], None]


def fill(part: MilvusPart, stored: Stored, start: int, sent: Sent) -> None:
    """Send all rows in their order, from the *start*-th on; *sent* is told the place that comes next."""
    place = start
    for rows, vectors in stored.batches(start):
        part.upsert(rows, vectors)
        place += len(rows)
        sent(place)


def catch_up(part: MilvusPart, stored: Stored, old: lance.LanceDataset, sent: Sent) -> None:
    """Bring a store that holds the rows of *old* to those of *stored*; done twice, it is done once."""
    if stored.dataset.version == old.version:
        return
    gone = stored.gone_since(old)
    part.delete(gone)
    count = len(gone)
    for rows, vectors in stored.written_since(old):
        part.upsert(rows, vectors)
        count += len(rows)
        sent(count)


def check(connection: Connection, part: MilvusPart, stored: Stored) -> int:
    """Make sure that a store holds the rows of *stored*, and finds them; their number.

    Raises:
        MilvusMismatch: it does not.
    """
    name, expected = part.store.name, stored.count()
    found = count_rows(connection, name)
    if found != expected:
        raise MilvusMismatch(
            f"{name} has {found:,} rows, the collection {expected:,}; what was served before still is: push it anew, "
            "`vilem index push … --anew`"
        )
    rows, canaries = stored.spread(_CANARIES)
    scores, nearest = part.search(canaries, 1)
    if len(rows):
        own = (canaries**2).sum(axis=1)
        lost = (nearest[:, 0] != rows) & (scores[:, 0] < own - _SCORE_SLACK)
        if np.count_nonzero(lost) > _MAY_MISS:
            raise MilvusMismatch(
                f"{np.count_nonzero(lost)} of {len(rows)} rows do not find themselves in {name}; what was served before "
                "still is: push with another --index, or anew with --anew"
            )
    return expected
