"""What changed between two versions."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.reindex.delta import BaseGone, all_rows, delta
from tests.index.published import entries, filled, unit_vectors

VECTORS = unit_vectors(200)

numbers = st.lists(st.integers(0, 30), unique=True, min_size=1, max_size=4)
steps = st.lists(st.tuples(st.sampled_from(["write", "delete", "compact"]), numbers), max_size=4)


def apply(collection: Collection, history: list[tuple[str, list[int]]]) -> None:
    """Make those changes, each write with other metadata than before."""
    for step, (what, chosen) in enumerate(history):
        if what == "write":
            for number in chosen:
                collection.add(entries(VECTORS[step + number : step + number + 1], first=number, captions=step % 3))
        elif what == "delete":
            collection.delete([f"item-{number:05d}" for number in chosen])
        else:
            collection.latest().items.optimize.compact_files()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps)
def test_a_delta_tells_what_changed(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, list[int]]]
) -> None:
    """After any history the rows written and the ids gone lead from the old items to the new ones."""
    collection = filled(tmp_path_factory.mktemp("delta"), VECTORS[:20])
    old = collection.latest()
    before = set(old.items.to_table(columns=["id"])["id"].to_pylist())
    apply(collection, history)

    changed = delta(old.items, collection.latest())

    written = {record.id for record in changed.now.records_at(changed.rows.tolist()) if record is not None}
    now = set(changed.now.items.to_table(columns=["id"])["id"].to_pylist())
    touched = {f"item-{number:05d}" for what, chosen in history if what == "write" for number in chosen}
    assert (before - set(changed.gone)) | written == now
    assert before - now == set(changed.gone)
    assert written == touched & now
    assert len(changed) == len(changed.rows) + len(changed.gone)


def test_nothing_changed_is_nothing(tmp_path: Path) -> None:
    """Compaction moves rows and changes none."""
    collection = filled(tmp_path, VECTORS[:5])
    collection.add(entries(VECTORS[5:6], first=5))
    old = collection.latest()
    collection.items.optimize.compact_files()

    assert 0 == len(delta(old.items, collection.latest()))


def test_a_version_that_was_cleaned_away_is_said(tmp_path: Path) -> None:
    """Without the older version deletions cannot be told, and that is an error of its own, not an empty answer."""
    collection = filled(tmp_path, VECTORS[:20])
    old = collection.latest()
    collection.delete(["item-00003"])
    collection.latest().items.optimize.compact_files()
    collection.latest().items.cleanup_old_versions(older_than=timedelta(0))

    with pytest.raises(BaseGone):
        delta(old.items, collection.latest())


def test_all_rows_are_those_that_are_there(tmp_path: Path) -> None:
    """Row ids lead to every item once."""
    collection = filled(tmp_path, VECTORS[:20])
    collection.delete(["item-00003"])

    rows = all_rows(collection.latest()).tolist()

    assert 19 == len(set(rows)) == len(rows)
    assert None not in collection.records_at(rows)
