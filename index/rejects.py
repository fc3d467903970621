"""What could not be read in, in a dataset of its own beside the items; the caller has the turn."""

from collections.abc import Sequence
from pathlib import Path

import lance

from index.datasets import REJECTS, row_filter, rows_of_ids
from index.rows import rejects_table
from index.schema import Reject


def read(folder: Path) -> list[Reject]:
    """All of the collection in *folder*, by id."""
    table = lance.dataset(folder / REJECTS).to_table()
    return sorted((Reject(**row) for row in table.to_pylist()), key=lambda reject: (reject.id, reject.uri))


def forget(folder: Path, column: str, values: Sequence[str]) -> None:
    """Take those out whose *column*, "id" or "uri", is among *values*."""
    dataset = lance.dataset(folder / REJECTS)
    if values and dataset.count_rows():
        gone = rows_of_ids(dataset, column, values, [column])["_rowid"].to_pylist()
        if gone:
            dataset.delete(row_filter(gone))


def note(folder: Path, rejects: Sequence[Reject]) -> None:
    """Put them in, the last of those that have one id and URI in the place of what was there."""
    if rejects:
        last = {(reject.id, reject.uri): reject for reject in rejects}
        merge = (
            lance.dataset(folder / REJECTS)
            .merge_insert(["id", "uri"])
            .when_matched_update_all()
            .when_not_matched_insert_all()
        )
        merge.execute(rejects_table(list(last.values())))
