"""Remembering strings in bounded memory: sources can have more ids than fit."""

import hashlib
import sqlite3
from types import TracebackType
from typing import Self

# pages of SQLite's cache, in KiB (negative); what exceeds it lies in a temporary file
_CACHE_KIB = 16 * 1024


class SeenStrings:
    """A set of strings on disk, kept as 128-bit digests; gone when closed. For one thread at a time."""

    def __init__(self) -> None:
        # an empty name is SQLite's private temporary database: a file only when the cache is full
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def add(self, text: str) -> bool:
        """Remember *text*; whether it is new."""
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,)).rowcount == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
