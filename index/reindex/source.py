"""The rows of a collection as a source: what has to be embedded by another model."""

from collections.abc import Iterator, Sequence

import numpy as np

from index.collection import Collection
from index.samplings import sampling_of
from index.schema import Record
from index.sources.item import SourceItem, Unusable
from index.uploads import located
from models.video.sampling import Sampling

# Rows that are read together: one look-up costs about 5 ms at any size.
_BLOCK = 2_048


class ServedRows:
    """Rows of a collection, read block by block as they are by then; those that are gone meanwhile are passed over.

    Args:
        collection: where from.
        rows: (n,) int64 row ids, which stay valid whatever is written, compacted or cleaned away meanwhile.
        samplings: a video that was taken by one of them is taken so again; others as the job takes videos.
    """

    def __init__(self, collection: Collection, rows: np.ndarray, samplings: Sequence[Sampling] = ()) -> None:
        self._collection = collection
        self._samplings = samplings
        self._rows = rows

    @property
    def uri(self) -> str:
        """Where it is."""
        return self._collection.path.absolute().as_uri()

    @property
    def places(self) -> list[str]:
        """None: every fault is an item's own."""
        return []

    def __iter__(self) -> Iterator[SourceItem | Unusable]:
        """Yield the items in the order of the row ids."""
        for start in range(0, len(self._rows), _BLOCK):
            block = self._rows[start : start + _BLOCK].tolist()
            yield from (self._item(each) for each in self._collection.latest().records_at(block) if each is not None)

    def count(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def _item(self, record: Record) -> SourceItem | Unusable:
        if not record.uri:
            detail = "it was written with a vector and without a picture: another model cannot embed it"
            return Unusable(record.id, record.uri, "missing-file", detail)
        file = located(self._collection.home, record.uri)
        return SourceItem(
            record.id,
            record.uri,
            record.captions,
            record.metadata,
            record.sha256,
            file,
            video=record.video is not None,
            sampling=sampling_of(record, self._samplings),
        )
