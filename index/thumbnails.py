"""Stored pictures, small, for a report that is one file: a bounded number of bytes of them."""

from index.errors import SourceError
from index.schema import Record
from index.searcher import Searcher
from models.errors import InputError
from models.page import data_uri

# some 1,500 pictures: what a browser opens at once, and a mail may carry
MAX_BYTES = 16 * 2**20


class Thumbnails:
    """`data:` URIs of items' pictures, until there are `MAX_BYTES` of them.

    Args:
        searcher: of the collection.
        max_bytes: of all URIs together.
    """

    def __init__(self, searcher: Searcher, max_bytes: int = MAX_BYTES) -> None:
        self._searcher = searcher
        self._left = max_bytes
        self._made: dict[str, str | None] = {}

    def of(self, record: Record) -> str | None:
        """The item's picture; None where it cannot be read or shown, and once there is no room."""
        if record.id not in self._made:
            self._made[record.id] = self._make(record) if self._left > 0 else None
        return self._made[record.id]

    def _make(self, record: Record) -> str | None:
        try:
            # of a video its middle moment; one whose moments were replaced just now has none
            data = self._searcher.image_bytes(record) if record.video is None else self._searcher.still(record, None)
            if data is None:
                return None
            uri = data_uri(data)
        except (SourceError, InputError):
            return None
        if len(uri) > self._left:
            return None
        self._left -= len(uri)
        return uri
