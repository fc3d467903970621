"""The keys as the running service sees them: looked at again and again, and closed when they cannot be read."""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from index.errors import CollectionError
from service.errors import KeysUnreadable
from service.guard.keys import ApiKey, read_keys

_log = logging.getLogger("vilem.service")

# A file system answers sooner, or hangs; then nobody waits for it, and what was known holds
WAIT_S = 0.25
# for so long. A key that was revoked meanwhile is good until then, at most.
STALE_S = 30.0

Mark = tuple[int, int, int]


@dataclass(frozen=True)
class _Known:
    """What one look at the file gave.

    Attributes:
        keys: by id; None where there is no file and there was none.
        mark: of the file that they were read from.
        at: when the look began.
        fault: why nobody is let in; None when all is well.
    """

    keys: Mapping[str, ApiKey] | None
    mark: Mark | None
    at: float
    fault: str | None = None


class Keyring:
    """The keys of one file; used from one event loop.

    A key that was made or revoked is known *look_s* later, and the time it takes to read the file. Without a file nothing
    is guarded; once there was one, all is, until the service ends: a file that is lost lets nobody in. On a file system that
    hangs the last known keys hold for `STALE_S`; after that nobody is let in.

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
        self._looking: Future[None] | None = None
        self._began = began = time.monotonic()
        mark = self._mark_now()
        self._known = _Known(read_keys(file), mark, began)
        self._told: str | None = None

    @property
    def guarded(self) -> bool:
        """Whether a key is asked for."""
        return self._known.keys is not None

    async def current(self) -> Mapping[str, ApiKey] | None:
        """The keys by id; None where there is no file and there was none: then anyone may.

        Raises:
            KeysUnreadable: they cannot be known, so nobody may.
        """
        if self._age_s() >= self._look_s:
            await self._look_again()
        known, fault = self._known, self._known.fault
        if self._age_s() > self._look_s + STALE_S:
            fault = f"{self._file} is on a file system that has not answered for {STALE_S:g} s"
        self._tell(fault)
        if fault is not None:
            raise KeysUnreadable("nobody is let in, for the service cannot read its keys: its log says why")
        return known.keys

    def _age_s(self) -> float:
        return time.monotonic() - self._known.at

    async def _look_again(self) -> None:
        """Wait for a look at the file, which may be under way, but not for longer than any look is given."""
        if self._looking is None or self._looking.done():
            looking: Future[None] = Future()
            # no pool's: what hangs in there would not let the process end
            thread = threading.Thread(target=self._look, args=(looking,), name="keys", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # no room for a thread: what is known holds as long as it may, and the next request tries again
                return
            self._looking, self._began = looking, time.monotonic()
        left = self._began + WAIT_S - time.monotonic()
        if left > 0:
            await asyncio.wait({asyncio.wrap_future(self._looking)}, timeout=left)

    def _look(self, looking: "Future[None]") -> None:
        began, before = time.monotonic(), self._known
        try:
            # before the file is read: what is written meanwhile is read the next time
            mark = self._mark_now()
            keys = before.keys
            if before.fault is not None or mark != before.mark:
                keys = read_keys(self._file)
            fault = None
            if keys is None and before.keys is not None:
                fault = f"{self._file} is gone: put it back; to do without keys remove it and start the service anew"
            self._known = _Known(before.keys if keys is None else keys, mark, began, fault)
        except (CollectionError, OSError) as error:
            self._known = _Known(before.keys, before.mark, began, str(error))
        finally:
            looking.set_result(None)

    def _mark_now(self) -> Mark | None:
        """What is another whenever the file is: it is only ever replaced whole."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _tell(self, fault: str | None) -> None:
        """Write to the log what has changed."""
        if fault != self._told:
            _log.error("nobody is let in: %s", fault) if fault else _log.warning("the keys can be read again")
        self._told = fault
