"""The keys as the running service sees them: looked at again and again, and closed when they cannot be read."""

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from index.errors import CollectionError
from service.errors import KeysUnreadable
from service.guard.keys import ApiKey, read_keys

_log = logging.getLogger("vilem.service")


class Keyring:
    """The keys of one file; used from one event loop.

    A key that was made or revoked is known *look_s* later, and the time it takes to read the file. Without a file nothing
    is guarded; once there was one, all is, until the service ends: a file that is lost lets nobody in.

    Args:
        file: of `service.guard.keys`.
        look_s: how old what is known of the file may be when a request is judged by it.

    Raises:
        CollectionInvalid, CollectionTooNew: as `read_keys`.
        OSError: the file is there and cannot be read.
    """

    def __init__(self, file: Path, look_s: float) -> None:
        self._file = file
        self._look_s = look_s
        self._looking = asyncio.Lock()
        self._looked_at = time.monotonic()
        self._mark = self._mark_now()
        self._keys = read_keys(file)
        self._fault: str | None = None

    @property
    def guarded(self) -> bool:
        """Whether a key is asked for."""
        return self._keys is not None

    async def current(self) -> Mapping[str, ApiKey] | None:
        """The keys by id; None where there is no file and there was none: then anyone may.

        Raises:
            KeysUnreadable: they cannot be known, so nobody may.
        """
        if self._is_old():
            async with self._looking:
                if self._is_old():
                    began = time.monotonic()
                    await asyncio.to_thread(self._look)
                    self._looked_at = began
        if self._fault is not None:
            raise KeysUnreadable("nobody is let in, for the service cannot read its keys: its log says why")
        return self._keys

    def _is_old(self) -> bool:
        return time.monotonic() - self._looked_at >= self._look_s

    def _mark_now(self) -> tuple[int, int, int] | None:
        """What is another whenever the file is: it is only ever replaced whole."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _look(self) -> None:
        fault = None
        try:
            # before the file is read: what is written meanwhile is read the next time
            mark = self._mark_now()
            if self._fault is None and mark == self._mark:
                return
            found = read_keys(self._file)
            if found is None and self._keys is not None:
                fault = f"{self._file} is gone: put it back; to do without keys remove it and start the service anew"
            else:
                self._keys, self._mark = found, mark
        except (CollectionError, OSError) as error:
            fault = str(error)
        if fault != self._fault:
            _log.error("nobody is let in: %s", fault) if fault else _log.warning("the keys can be read again")
        self._fault = fault
