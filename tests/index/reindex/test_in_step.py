"""When two generations held the same."""

from datetime import timedelta
from pathlib import Path

import pytest

from index.collection import Collection
from index.reindex import in_step
from tests.index.published import entries, filled, unit_vectors


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Collection, Collection]:
    """A collection and a generation of it, with the same three items."""
    first = filled(tmp_path, unit_vectors(3))
    second = first.create_generation("g1-0a0a0a0a", dim=8, bundle_digest="0a" * 32, bundle_name="other")
    second.add(entries(unit_vectors(3)))
    return first.latest(), second


def test_what_was_noted_is_found(pair: tuple[Collection, Collection]) -> None:
    """Later writes to the one that took over leave the version at which both were alike, through every cleaning."""
    first, second = pair
    in_step.note(second, first)
    version = second.version
    second.add(entries(unit_vectors(1), first=7))
    second.items.optimize.compact_files()
    second.items.cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)

    then = in_step.items_then(second.latest(), first)

    assert then is not None
    assert (version, 3) == (then.version, then.count_rows())


def test_it_holds_for_those_two_alone(pair: tuple[Collection, Collection]) -> None:
    """Once the other one was written to, or is another, nothing is known; nor where nothing was noted."""
    first, second = pair
    assert in_step.items_then(second, first) is None
    in_step.note(second, first)
    assert in_step.items_then(second, second) is None
    assert in_step.items_then(first, second) is None

    first.add(entries(unit_vectors(1), first=9))

    assert in_step.items_then(second, first) is None


def test_the_last_note_counts(pair: tuple[Collection, Collection]) -> None:
    """A later note takes the place of the one before."""
    first, second = pair
    in_step.note(second, first)
    second.add(entries(unit_vectors(1), first=7))

    in_step.note(second, first)

    then = in_step.items_then(second, first)
    assert then is not None
    assert 4 == then.count_rows()


@pytest.mark.parametrize("data", ["", "{}", '{"generation": "g0"'])
def test_a_damaged_note_is_none(pair: tuple[Collection, Collection], data: str) -> None:
    """The note only spares work: one that cannot be read costs that work."""
    first, second = pair
    in_step.note(second, first)
    (second.path / in_step.IN_STEP_FILE).write_text(data)

    assert in_step.items_then(second, first) is None
    assert in_step.other_generation(second.path) is None


def test_forgetting_does_no_harm(pair: tuple[Collection, Collection]) -> None:
    """A note may be forgotten twice, and where there was none."""
    first, second = pair
    in_step.note(second, first)

    for _ in range(2):
        in_step.forget(second.path)
        in_step.forget(first.path)

    assert {} == second.latest().items.tags.list()
