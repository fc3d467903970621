"""What an embedding job says of itself: while it runs, and at its end."""

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

# Seconds that the rate looks back on: shorter jumps with every commit, longer hides that a disk became slow.
_RATE_OVER = 10.0


@dataclass(frozen=True)
class Progress:
    """Where a running job is.

    Attributes:
        seen: items of the source dealt with.
        total: about how many it has, no fewer than *seen*; None while that is not known.
        embedded: images that went through the model.
        committed: rows that are safe.
        unchanged: items that were there already.
        rejected: items that went to the rejects table.
        seconds: since the start.
        rate: items a second, of late.
    """

    seen: int
    total: int | None
    embedded: int
    committed: int
    unchanged: int
    rejected: int
    seconds: float
    rate: float

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; None while the total or the rate is not known."""
        if self.total is None or self.rate <= 0:
            return None
        return max(0, self.total - self.seen) / self.rate


@dataclass(frozen=True)
class Summary:
    """What a job did.

    Attributes:
        seen: items of the source dealt with.
        embedded: images and videos that went through the model; their rows are new or replaced.
        updated: rows whose captions, metadata or URI changed, with the same image.
        unchanged: items that were there already.
        rejected: how many went to the rejects table, by reason.
        captions: captions that went through the model.
        captions_truncated: of these, the ones that were too long for it and lost their end.
        moments: frames of videos that went through the model.
        patch_bytes: stored for the proofreader, of the images that went through the model.
        seconds: it took.
        version: of the items after it.
        finished: False when it was stopped before the source's end; what it did is committed.
    """

    seen: int
    embedded: int
    updated: int
    unchanged: int
    rejected: Mapping[str, int]
    captions: int
    captions_truncated: int
    moments: int
    patch_bytes: int
    seconds: float
    version: int
    finished: bool


@dataclass
class Tally:
    """The counters of a running job; see `Progress` and `Summary` for what each counts."""

    seen: int = 0
    total: int | None = None
    embedded: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: Counter[str] = field(default_factory=Counter[str])
    moments: int = 0
    patch_bytes: int = 0
    _pace: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._pace.append((self._started, 0))

    def progress(self, committed: int) -> Progress:
        """Where the job is now."""
        now = time.monotonic()
        self._pace.append((now, self.seen))
        while now - self._pace[0][0] > _RATE_OVER and len(self._pace) > 2:
            self._pace.popleft()
        since, seen = self._pace[0]
        return Progress(
            seen=self.seen,
            # a table without a line's end after its last row has one more than were counted
            total=None if self.total is None else max(self.total, self.seen),
            embedded=self.embedded,
            committed=committed,
            unchanged=self.unchanged,
            rejected=self.rejected.total(),
            seconds=now - self._started,
            rate=(self.seen - seen) / max(now - since, 1e-9),
        )

    def summary(self, *, captions: int, captions_truncated: int, version: int, finished: bool) -> Summary:
        """What the job did."""
        return Summary(
            seen=self.seen,
            embedded=self.embedded,
            updated=self.updated,
            unchanged=self.unchanged,
            rejected=dict(sorted(self.rejected.items())),
            captions=captions,
            captions_truncated=captions_truncated,
            moments=self.moments,
            patch_bytes=self.patch_bytes,
            seconds=time.monotonic() - self._started,
            version=version,
            finished=finished,
        )
