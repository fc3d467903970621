"""What a service does for its collections beside answering: small files are merged, and long tails published or pushed.

Several replicas may do so over one collection: merging is done by whoever comes first, and publishing by whoever gets the
collection's lease; of several processes on one machine one alone looks after them, until it ends. Publishing takes all the computing it can get, so it runs in a process of its own, at low priority.
"""

import errno
import fcntl
import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from index.errors import CollectionError
from index.milvus.engine import Engine
from index.milvus.push import push
from index.searcher import Searcher
from index.versions import remove_old_versions
from service.settings import Settings

_log = logging.getLogger("vilem.service")

# As many times the pause does a child that failed keep us from starting another.
_PATIENCE = 60
# Held by whoever looks after the collections of this home; the kernel lets go of it when its holder dies.
TURN_FILE = "upkeep"


class Upkeep:
    """Looks after the collections of one service; `look` is called by one thread at a time.

    Args:
        settings: how long a tail may become.
    """

    def __init__(self, settings: Settings) -> None:
        self._rows = settings.publish_rows
        self._token = settings.milvus_token.get_secret_value()
        self._child: subprocess.Popen[bytes] | None = None
        self._quiet: dict[str, int] = {}
        self._closed = threading.Event()
        self._home = settings.home / "collections"
        self._turn: BinaryIO | None = None

    def look(self, searchers: list[Searcher]) -> None:
        """Merge small files, and publish the longest tail if it is due and no other is being published."""
        # where only a job may write, the job looks after them
        searchers = [each for each in searchers if os.access(each.folder, os.W_OK)]
        if not searchers or not self._is_ours():
            return
        for searcher in searchers:
            if self._closed.is_set():
                return
            self._tidy(searcher)
        self._reap()
        waiting = [each for each in searchers if self._due(each)]
        if waiting and self._child is None and not self._closed.is_set():
            self._renew(max(waiting, key=lambda each: each.unpublished))

    def close(self) -> None:
        """End the child: what is half published is nobody's, and is removed by the next."""
        self._closed.set()
        if self._child is not None:
            self._child.terminate()
            self._child.wait()
        if self._turn is not None:
            self._turn.close()

    def _is_ours(self) -> bool:
        """Whether no other process of this home looks after it already; who once does goes on until its end."""
        if self._turn is not None:
            return True
        try:
            turn = (self._home / TURN_FILE).open("ab")
        except OSError:
            # a folder in which nothing may be made: they look after theirs side by side, as processes of several machines do
            return True
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            turn.close()
            # where there are no locks nobody holds one
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        self._turn = turn
        return True

    def _tidy(self, searcher: Searcher) -> None:
        try:
            searcher.tidy()
        except Exception:  # noqa: BLE001 - see below
            # whatever is wrong with one collection's files, searches go on and the others are looked after
            if searcher.name not in self._quiet:
                _log.exception("small files of %s could not be merged", searcher.name)
            self._quiet[searcher.name] = _PATIENCE

    def _due(self, searcher: Searcher) -> bool:
        left = self._quiet.get(searcher.name, 0)
        if left:
            self._quiet[searcher.name] = left - 1
        return bool(self._rows) and not left and searcher.unpublished >= self._rows

    def _renew(self, searcher: Searcher) -> None:
        engine = searcher.engine
        if engine is None or not engine.in_process:
            self._start(searcher.folder)
            return
        self._push(searcher, engine)
        if searcher.unpublished_moments:
            self._start(searcher.folder)

    def _push(self, searcher: Searcher, engine: Engine) -> None:
        """Here, for no other process may open the file; what is in such a file is little."""
        _log.info("pushing %s", searcher.name)
        # until the result is served, and for as long as it cannot be done
        self._quiet[searcher.name] = _PATIENCE
        collection = searcher.view.collection
        try:
            push(collection, engine.connection.target, token=self._token)
            remove_old_versions(collection.latest())
        except CollectionError as error:
            _log.warning("%s could not be pushed: %s", searcher.name, error)

    def _start(self, folder: Path) -> None:
        _log.info("publishing %s in the background", folder.name)
        # of the same interpreter; what it prints is for our log
        command = [sys.executable, "-P", "-m", "index.maintenance", str(folder)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert self._child.stdin is not None
        # an argument could be read by others; it may have ended already
        with suppress(OSError), self._child.stdin as pipe:
            pipe.write(f"{self._token}\n".encode())

    def _reap(self) -> None:
        if self._child is None or (status := self._child.poll()) is None:
            return
        name = Path(str(self._child.args[-1])).name  # pyright: ignore[reportArgumentType, reportIndexIssue] - our list
        if status:
            _log.warning("%s could not be published: see the message above", name)
            self._quiet[name] = _PATIENCE
        self._child = None
