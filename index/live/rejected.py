"""Which ids are rejects, for a writer that stays: it asks with each write, and nearly always none of them is."""

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from index.datasets import REJECTS, open_dataset

# Every commit makes a file in there.
_VERSIONS = "_versions"
# Two commits within one tick of the clock of files leave the folder with one time: what is younger is not taken for known.
_TICK_NS = 1_000_000_000


class RejectedIds:
    """The ids of the rejects of the collection in *folder*; used by one thread, in its turn.

    They are read once, and again when somebody has noted rejects or taken some out, which the time of a folder tells.
    """

    def __init__(self, folder: Path) -> None:
        self._dataset = folder / REJECTS
        self._ids = frozenset[str]()
        self._as_of: int | None = None

    def among(self, ids: Iterable[str]) -> list[str]:
        """Those of *ids* that are rejects, each once.

        Raises:
            CollectionInvalid: the dataset of rejects is gone, or damaged.
        """
        changed = self._changed_at()
        if changed is None or changed != self._as_of:
            self._ids = frozenset(open_dataset(self._dataset).to_table(columns=["id"])["id"].to_pylist())
            known = changed is not None and time.time_ns() - changed > _TICK_NS
            self._as_of = changed if known else None
        return [each for each in dict.fromkeys(ids) if each in self._ids]

    def _changed_at(self) -> int | None:
        with suppress(OSError):
            return (self._dataset / _VERSIONS).stat().st_mtime_ns
        return None
