"""Reports of workers come in any order, some twice; here they become what may be committed: each block once, in order."""

import sys
from collections.abc import Iterator

from index.engines.staging import Staged
from index.errors import SourceError

_CHANGED = (
    "the source changed while it was read: a worker was lost, its part was read again, and other items came; what is "
    "committed is safe, run the same command again"
)


class Arrivals:
    """The reports of a job's blocks.

    What `ready` gives is a beginning of each part of the source. So what a job committed before it was stopped is what the
    plain job would have committed, and a later block's word on an id always comes after an earlier one's.
    """

    def __init__(self, parts: int) -> None:
        self._waiting: list[dict[int, Staged]] = [{} for _ in range(parts)]
        self._next = [0] * parts
        # what all items of the part up to there must add up to; nothing is known before the first block
        self._digests: list[bytes | None] = [None] * parts
        self._ended = [False] * parts
        self._faults: list[str] = []

    def take(self, report: Staged) -> bool:
        """Take a report; whether its block is new. Another run of a block that is here already is left out."""
        block = report.block
        if block.number < self._next[block.part] or block.number in self._waiting[block.part]:
            return False
        self._waiting[block.part][block.number] = report
        return True

    def ready(self) -> list[Staged]:
        """The reports that may be committed now, in the source's order; they are given once."""
        return [report for part in range(len(self._next)) for report in self._follow(part)]

    def check_whole(self) -> None:
        """Make sure that every part has come to its end.

        Raises:
            SourceError: a part broke off, or was another one when it was read again because a worker was lost.
            RuntimeError: blocks are missing, and nobody said so.
        """
        if self._faults:
            raise SourceError("; ".join(self._faults))
        if not all(self._ended) or any(self._waiting):
            missing = [part for part, ended in enumerate(self._ended) if not ended]
            raise RuntimeError(f"blocks of the source's parts {missing} never came back: run the same command again")

    def _follow(self, part: int) -> Iterator[Staged]:
        waiting = self._waiting[part]
        while (report := waiting.get(self._next[part])) is not None:
            block, expected = report.block, self._digests[part]
            if expected is not None and block.before != expected:
                # its blocks from here on may hold items that were committed, or lack some
                self._faults.append(_CHANGED)
                waiting.clear()
                self._next[part] = sys.maxsize
                return
            del waiting[block.number]
            self._next[part] += 1
            self._digests[part] = block.after
            self._ended[part] = block.last
            if block.error is not None:
                self._faults.append(block.error)
            yield report
