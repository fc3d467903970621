"""Files of stored videos, opened to be handed out: the ones that were indexed, and no others."""

import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from threading import Lock
from typing import BinaryIO, cast

from index.errors import UriMissing
from index.sources.uri import Place, faults_told, open_binary

# states of files whose hash is remembered: a few hundred bytes each
_REMEMBERED = 4_096


class StoredFiles:
    """Opens files whose bytes have a certain SHA-256. Safe to share between threads.

    A video has gigabytes, and a player asks for it in many parts: it is hashed once for each state of its file, as size and
    time of change tell it (of an object store: its tag).
    """

    def __init__(self) -> None:
        self._hashes: OrderedDict[Hashable, str] = OrderedDict()
        self._lock = Lock()

    def open(self, uri: str, sha256: str) -> BinaryIO:
        """The file at *uri*, at its beginning; the caller closes it.

        Raises:
            UriMissing: it is not there any more, or something else is.
            UriUnreadable: it cannot be read.
        """
        place = Place.of(uri)
        with faults_told(place.file):
            filesystem, path = place.located()
            if place.is_local:
                file = cast("BinaryIO", Path(path).open("rb"))  # noqa: SIM115 - the caller closes it
                stat = os.fstat(file.fileno())
                state: Hashable = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
            else:
                state = filesystem.ukey(path)
                file = cast("BinaryIO", open_binary(filesystem, path))
            file = place.part_of(file)
        try:
            with faults_told(place.file):
                found = self._hash(file, (uri, state))
            if found != sha256:
                raise UriMissing(f"{uri} has changed since it was indexed: index the collection again")
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def _hash(self, file: BinaryIO, state: Hashable) -> str:
        with self._lock:
            known = self._hashes.get(state)
        if known is not None:
            return known
        found = hashlib.file_digest(cast("io.BufferedReader", file), "sha256").hexdigest()
        with self._lock:
            self._hashes[state] = found
            while len(self._hashes) > _REMEMBERED:
                self._hashes.popitem(last=False)
        return found
