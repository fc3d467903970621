"""index.progress: counters, rate, time left."""

import dataclasses

import pytest

from index import progress
from index.progress import Progress, Tally


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that shows what its one element says."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_rate_is_that_of_late(clock: list[float]) -> None:
    """Items skipped at the start of a resumed job do not promise an end that will not come."""
    tally = Tally()
    for _ in range(30):
        clock[0] += 1
        tally.seen += 1_000
        tally.progress(0)
    for _ in range(30):
        clock[0] += 1
        tally.seen += 2
        last = tally.progress(0)
    assert 2 == pytest.approx(last.rate)


def test_the_first_report_has_a_rate(clock: list[float]) -> None:
    """Before there are two reports the rate counts from the start."""
    tally = Tally()
    clock[0] += 2
    tally.seen = 10
    assert 5 == pytest.approx(tally.progress(0).rate)


def test_time_left_is_what_is_left_by_the_rate() -> None:
    """Items left, divided by items a second; unknown without a total or without speed; never negative."""
    at = Progress(seen=10, total=30, embedded=0, committed=0, unchanged=0, rejected=0, seconds=1, rate=4)
    assert 5 == at.seconds_left
    assert None is dataclasses.replace(at, total=None).seconds_left
    assert None is dataclasses.replace(at, rate=0).seconds_left
    assert 0 == dataclasses.replace(at, seen=40).seconds_left


def test_the_total_is_no_less_than_what_was_seen() -> None:
    """A source is counted roughly, by the line for one: more may come than were counted, and are not called 300 of 299."""
    tally = Tally(seen=300, total=299)
    assert (300, 300) == (tally.progress(0).seen, tally.progress(0).total)
    assert 301 == Tally(seen=300, total=301).progress(0).total
    assert None is Tally(seen=300).progress(0).total


def test_the_summary_is_what_was_counted(clock: list[float]) -> None:
    """Every counter reaches the summary, and reasons are sorted."""
    tally = Tally(seen=9, embedded=3, updated=1, unchanged=2)
    tally.rejected.update(["too-large", "missing-file", "too-large"])
    clock[0] += 7
    summary = tally.summary(captions=5, captions_truncated=1, version=4, finished=True)
    assert [("missing-file", 1), ("too-large", 2)] == list(summary.rejected.items())
    assert (9, 3, 1, 2, 7.0) == (summary.seen, summary.embedded, summary.updated, summary.unchanged, summary.seconds)
    assert 3 == tally.progress(0).rejected
