"""What was measured, and what speaks against a new generation."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CollectionInvalid
from index.reindex.report import (
    REPORT_FILE,
    Report,
    Retrieval,
    Side,
    failures,
    read_report,
    standard_error,
    write_report,
)

SIDE = Side(generation="g0", bundle_name="b", bundle_digest="0", dim=4, rows=2, recall_at_10=1.0)


def report(overlap: float | None = 0.5, *retrieval: Retrieval) -> Report:
    """A report of those figures."""
    return Report(
        collection="c", created_at="now", old=SIDE, new=SIDE, embedded=1, lost=0, pictures=3, pictures_lost=0, sampled=2,
        overlap_at_10=overlap, captions=100, retrieval=list(retrieval), not_compared=None if overlap else "never published",
    )  # fmt: skip


def test_it_is_stored_and_read(tmp_path: Path) -> None:
    """A stored report comes back equal, also one of a single caption, whose error is infinite; where none is, there is none."""
    assert read_report(tmp_path) is None

    for error in (1.0, math.inf):
        made = write_report(tmp_path, report(0.5, Retrieval(k=1, old=50, new=49, error=error)))
        assert made == read_report(tmp_path)
        assert error == made.retrieval[0].error


@pytest.mark.parametrize(
    ("there", "instead"), [('"new": 49.0', '"new": 99.0'), ('"k": 1,', '"k": 1'), ('"forced": false', '"forced": true')]
)
def test_what_was_measured_cannot_be_changed(tmp_path: Path, there: str, instead: str) -> None:
    """A report that says other than what was measured is refused, with what to do."""
    write_report(tmp_path, report(0.5, Retrieval(k=1, old=50, new=49, error=1)))
    file = tmp_path / REPORT_FILE
    text = file.read_text()
    assert 1 == text.count(there)

    file.write_text(text.replace(there, instead))

    with pytest.raises(CollectionInvalid, match=r"report\.json is damaged: remove it"):
        read_report(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "error", "refused"),
    [
        (50.0, 47.0, 0.5, True),
        # within what is allowed
        (50.0, 48.5, 0.1, False),
        # as much as chance explains
        (50.0, 45.0, 3.0, False),
        (50.0, 70.0, 0.1, False),
        # one caption: nothing is known
        (100.0, 0.0, math.inf, False),
    ],
)
def test_a_loss_counts_beyond_chance(old: float, new: float, error: float, refused: bool) -> None:
    """What falls by more than is allowed, and by more than chance explains, speaks against it."""
    found = failures(report(0.5, Retrieval(k=5, old=old, new=new, error=error)), min_overlap=None, max_loss=2)

    assert refused == bool(found)
    assert all("R@5" in each for each in found)


def test_an_overlap_counts_where_one_is_wanted() -> None:
    """Another ranking is what another model is for: it is judged only by whoever asks for it, and then must be known."""
    assert [] == failures(report(0.1), min_overlap=None, max_loss=2)
    assert [] == failures(report(0.5), min_overlap=0.5, max_loss=2)
    assert "0.10" in failures(report(0.1), min_overlap=0.5, max_loss=2)[0]
    assert "never published" in failures(report(None), min_overlap=0.0, max_loss=2)[0]


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=2, max_size=50))
def test_standard_errors_are_numpys(differences: list[float]) -> None:
    """The standard error of a mean of paired differences."""
    expected = np.std(differences, ddof=1) / np.sqrt(len(differences))

    assert standard_error(differences) == pytest.approx(expected)


def test_of_one_pair_nothing_is_known() -> None:
    """A single pair has no standard error that could make its difference count."""
    assert math.inf == standard_error([1.0]) == standard_error([])
