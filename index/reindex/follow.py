"""Bringing one generation up to date with the served one, which goes on being written.

First everything is compared, and what differs embedded; then, round by round, what changed since. A round takes less time
than the one before, so less is written meanwhile; what the last one leaves fits into a moment in which writers can wait.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace

import lance
import numpy as np

from index.collection import Collection
from index.embed import embed
from index.generations import history
from index.options import EmbedOptions
from index.progress import Progress
from index.reindex.delta import BaseGone, Delta, all_rows, delta
from index.reindex.in_step import items_then, let_go, note
from index.reindex.source import ServedRows
from index.samplings import note_samplings, noted_samplings
from index.schema import Reject
from index.versions import held
from models.bundle import Bundle

_BLOCK = 8_192
# Of a few items: threads are started, sessions warmed, rows committed.
_ROUND_S = 0.3
# Until a round has told: of one item, on a slow machine.
_ITEM_S = 0.2
# A round of fewer items tells more of its start than of the model.
_TELLING = 16


class Follower:
    """What one generation lacks of the served one.

    Attributes:
        embedded: images that went through the model.

    Args:
        served: the collection as it is served.
        target: the generation that shall be like it; nobody else writes to it.
        bundle: of the target.
        options: of the embedding job.
        same_moments: take each video at the times at which the served generation has it; else all as *options* say.
    """

    def __init__(
        self,
        served: Collection,
        target: Collection,
        bundle: Bundle,
        options: EmbedOptions,
        *,
        same_moments: bool = True,
    ) -> None:
        self._served = served
        self._target = target
        self._bundle = bundle
        self._options = options
        self._same_moments = same_moments
        self._has: lance.LanceDataset | None = None
        # what the target alone has, as long as nobody writes or removes it
        self._spared = set[str]()
        self._item_s = _ITEM_S
        self.embedded = 0

    def begin(self) -> Iterator[Progress]:
        """Compare all items, and embed what the target lacks; nothing, where it is known what changed since both were alike."""
        self._has = items_then(self._served.latest(), self._target)
        if self._has is None:
            yield from self.compare_all()
        else:
            self._spared = let_go(self._served, self._target) or set()

    def compare_all(self) -> Iterator[Progress]:
        """Compare all items, and embed what the target lacks."""
        now = self._served.latest()
        self._remove_stale(now)
        yield from self._embed(now, all_rows(now))
        self._target.index_ids()
        self._has = now.items

    def behind(self) -> Delta | None:
        """What the target lacks; None when that cannot be told without comparing everything."""
        if self._has is None:
            return None
        try:
            lacking = delta(self._has, self._served.latest())
        except BaseGone:
            return None
        return replace(lacking, gone=sorted({*lacking.gone, *self._spared_no_more(lacking.now)}))

    def seconds(self, lacking: Delta) -> float:
        """About how long it takes to bring that over."""
        return _ROUND_S + len(lacking.rows) * self._item_s if len(lacking) else 0.0

    def catch_up(self, lacking: Delta) -> Iterator[Progress]:
        """Bring over what is lacking."""
        if lacking.gone:
            self._remove(lacking.gone)
            self._spared.difference_update(lacking.gone)
        if len(lacking.rows):
            yield from self._embed(lacking.now, lacking.rows)
        self._has = lacking.now.items

    def lost(self) -> list[Reject]:
        """Items that are served and could not be embedded, with the reason."""
        rejects = self._target.rejects()
        there = self._served.latest().known([each.id for each in rejects]) if rejects else {}
        return [each for each in rejects if each.id in there]

    def note_in_step(self) -> None:
        """Write down that both hold the same items now."""
        note(self._target.latest(), self._served.latest(), [each.id for each in self.lost()])

    def _embed(self, now: Collection, rows: np.ndarray) -> Generator[Progress]:
        # what came of it: the generation after this one will ask for it
        samplings = noted_samplings(now.path) if self._same_moments else []
        note_samplings(self._target.path, samplings)
        source = ServedRows(now, rows, samplings)
        # a pass may take days: what it reads goes on being there, whatever is merged and cleaned up meanwhile
        with held(now), embed(self._target, source, self._bundle, self._options, part=True) as job:
            yield from job
        summary = job.summary
        self.embedded += summary.embedded
        if summary.embedded >= _TELLING:
            self._item_s = summary.seconds / summary.embedded

    def _remove_stale(self, now: Collection) -> None:
        """Remove what the served collection has not got (any more)."""
        spared = self._spared = self._untouched(now)
        scan = self._target.latest().items.scanner(columns=["id"], batch_size=_BLOCK)
        for batch in scan.to_batches():
            ids = batch["id"].to_pylist()
            stale = [each for each in ids if each not in spared] if spared else ids
            there = now.known(stale)
            if len(there) < len(stale):
                self._remove([each for each in stale if each not in there])
        rejected = [each.id for each in self._target.rejects()]
        there = now.known(rejected)
        self._target.note_rejects([], [each for each in rejected if each not in there])

    def _untouched(self, now: Collection) -> set[str]:
        """What the target alone has, because the served generation could not embed it: deleted it was not."""
        if self._target.generation not in history(self._target.home):
            return set()
        noted = let_go(now, self._target)
        rejected = {each.id for each in now.rejects()}
        return rejected if noted is None else rejected & noted

    def _spared_no_more(self, now: Collection) -> list[str]:
        """What was let go, then written or removed, and is not there: of what came and went again no two versions tell."""
        if not self._spared:
            return []
        touched = self._spared - {each.id for each in now.rejects()}
        there = now.known(touched)
        return [each for each in touched if each not in there]

    def _remove(self, ids: list[str]) -> None:
        for start in range(0, len(ids), _BLOCK):
            self._target.delete(ids[start : start + _BLOCK])
            self._target.note_rejects([], ids[start : start + _BLOCK])
