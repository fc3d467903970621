"""Live writes made in a process of their own.

A commit asks Lance for a dozen things, and after each its thread waits for the interpreter, which a busy service hardly ever
leaves free: 20 ms for a commit that takes 8 alone. A child process has an interpreter to itself. It is started when it is first
asked, is asked by one thread, and ends with its parent: its standard input ends then.
"""

import gc
import logging
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO

from index.errors import CollectionError
from index.live.writes import Change
from index.live.writing import Done, LiveWriter

_log = logging.getLogger("vilem.index")

_READY = b"ready\n"
# a child that ends so often, one after the other, is not started again
_MOST_ENDS = 3
_END_S = 5
# longer than a writer waits for its turn (`index.lease`)
_PATIENCE_S = 60.0
_IDLE_S = 900.0


class RemoteWriter:
    """The parent's side; used by one thread, and closed once that has ended.

    Args:
        folder: of the collection.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._ends = 0

    def apply(self, changes: Sequence[Change]) -> Done | None:
        """As `index.live.writes.apply`; None where the child cannot be asked now: it starts, or has ended, or hangs.

        What it was asked when it ended may have been written, or not. The same changes may be made again: the collection is as
        if they had come twice, and so are the outcomes.

        Raises:
            CollectionError: as `LiveWriter.apply`.
        """
        if not self._ready():
            return None
        child = self._child
        assert child is not None and child.stdin is not None and child.stdout is not None
        try:
            pickle.dump(changes, child.stdin, pickle.HIGHEST_PROTOCOL)
            child.stdin.flush()
            if not _has_more(child.stdout, _PATIENCE_S):
                child.kill()
            answer = pickle.load(child.stdout)  # noqa: S301 - our own child wrote it
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            _log.warning("the process that writes to %s has ended: another one is started", self._folder.name)
            self._end()
            return None
        self._ends = 0
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Done)
        return answer

    def close(self) -> None:
        """End the child, once it has made what it was asked to."""
        child, self._child = self._child, None
        starts, self._is_ready = not self._is_ready, False
        if child is None:
            return
        assert child.stdin is not None and child.stdout is not None
        if starts:
            # it was asked for nothing, and would still load everything first
            child.kill()
        # it may have ended already
        with suppress(OSError):
            child.stdin.close()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()

    def _ready(self) -> bool:
        if self._is_ready and self._child is not None and self._child.poll() == 0:
            # it had nothing to do for a while
            self.close()
        if self._child is None and self._ends < _MOST_ENDS:
            # without the working directory on its path: there may be a package of our name
            command = [sys.executable, "-P", "-m", "index.live.remote", str(self._folder)]
            try:
                self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            except OSError as error:
                _log.warning("no process can be started that writes to %s: %s", self._folder.name, error)
                self._ends += 1
        if self._is_ready or self._child is None:
            return self._is_ready
        assert self._child.stdout is not None
        if _has_more(self._child.stdout, 0):
            self._is_ready = self._child.stdout.read(len(_READY)) == _READY
            if not self._is_ready:
                self._end()
        return self._is_ready

    def _end(self) -> None:
        self._ends += 1
        self.close()


def _has_more(pipe: IO[bytes], seconds: float) -> bool:
    """Whether there is something to read, or an end, within so many seconds."""
    # not select(2), which knows no descriptor above 1,023
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(1_000 * seconds))


def main() -> None:
    """The child: reads changes of the collection in the folder that is given, and answers `Done` or what was raised."""
    # Ctrl-C is for the parent, which ends us when it has ended its own work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # what a library prints must not come between
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    folder = Path(sys.argv[1])
    writer = LiveWriter(folder.parent, folder.name, holds_ids=True)
    # what is read for it is read before anyone waits; what is wrong with it is told with the first changes
    with suppress(CollectionError):
        writer.open()
    # as the service does: what is loaded is not looked through again
    gc.freeze()
    answers.write(_READY)
    answers.flush()
    while (changes := _next(sys.stdin.buffer)) is not None:
        answers.write(_answer(writer, changes))
        answers.flush()


def _next(requests: BinaryIO) -> Sequence[Change] | None:
    """What is to be made next; None when the parent has gone, or has asked for nothing for long."""
    try:
        if not _has_more(requests, _IDLE_S):
            return None
        return pickle.load(requests)  # noqa: S301 - our parent wrote it
    except EOFError:
        return None


def _answer(writer: LiveWriter, changes: Sequence[Change]) -> bytes:
    try:
        return pickle.dumps(writer.apply(changes), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - the parent's to hear of
        try:
            pickle.loads(answer := pickle.dumps(error))  # noqa: S301 - ours
        except Exception:  # noqa: BLE001 - one that cannot be sent as it is
            return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
        return answer


if __name__ == "__main__":
    main()
