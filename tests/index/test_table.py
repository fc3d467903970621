"""A dataset and its writer."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import table as module
from index.collection import Collection
from index.datasets import newest
from index.ids import RecentIds
from index.live.changes import Made, changes
from index.records import unpacked
from index.replace import Rows
from index.rows import captions_table
from index.table import Table
from tests.index.published import DIM, entries, filled, unit_vectors

VECTORS = unit_vectors(200)
PLACES = st.sets(st.integers(0, 7), min_size=1, max_size=3)


def captions(numbers: set[int], seed: int) -> object:
    """Rows of one caption for each of those items, each with a vector of its own."""
    rows = [entry for number in sorted(numbers) for entry in entries(VECTORS[seed + number][None], first=number)]
    return captions_table(rows, (), DIM)


def made_table(folder: Path) -> Table:
    """Of the captions of four items."""
    return Table(filled(folder, VECTORS[:4]).captions, "item_id", DIM)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(["put", "replace", "anew", "drop"]), PLACES), min_size=1, max_size=5))
def test_what_it_knows_is_what_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, set[int]]]
) -> None:
    """After each commit: the changes that a reader would find, under the row ids that it would find them under."""
    table = made_table(tmp_path_factory.mktemp("table"))
    for seed, (what, numbers) in enumerate(steps, 1):
        before = table.dataset
        table.begin(before)
        there = table.rows([f"item-{number:05d}" for number in numbers])
        rows, fresh = captions(numbers, 10 * seed), captions(set(), 0)
        if what == "drop":
            table.drop(Rows.of(there))
        elif what == "replace":
            kept = there.sort_by("item_id")
            known = {int(item[-5:]) for item in kept["item_id"].to_pylist()}
            changed = captions(known, 10 * seed) if len(known) == kept.num_rows else fresh
            taken = Rows.of(kept) if len(known) == kept.num_rows else Rows(np.zeros(0, np.int64))
            table.put(captions({7}, 90), changed, taken)  # pyright: ignore[reportArgumentType]
        else:
            dropped = Rows.of(there) if what == "anew" else Rows(np.zeros(0, np.int64))
            table.put(rows, dropped=dropped)  # pyright: ignore[reportArgumentType]
        expected = changes(before, table.dataset, DIM)

        assert [(before.version, table.dataset.version)] == [(each.before, each.after) for each in table.made] or (
            before is table.dataset and not table.made
        )
        for each in table.made:
            read, told = np.argsort(expected.rows), np.argsort(each.changes.rows)
            assert expected.rows[read].tolist() == each.changes.rows[told].tolist()
            assert np.array_equal(expected.vectors[read], each.changes.vectors[told])
            assert set(expected.gone.tolist()) == set(each.changes.gone.tolist())


def test_what_was_written_is_found_without_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids of its own commits are known; only files of others are read."""
    table, read = made_table(tmp_path), list[int]()
    table.rows([])
    plain = RecentIds._read  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(RecentIds, "_read", lambda self, *rest: (read.append(1), plain(self, *rest)))
    table.put(captions({5, 6}, 50))  # pyright: ignore[reportArgumentType]

    assert ["item-00005"] == table.rows(["item-00005"])["item_id"].to_pylist()
    assert [] == read
    theirs = Table(table.dataset, "item_id", DIM)
    theirs.put(captions({7}, 60))  # pyright: ignore[reportArgumentType]
    table.begin(newest(table.dataset))
    assert ["item-00007"] == table.rows(["item-00007"])["item_id"].to_pylist()
    assert [1] == read and [] == table.made


def test_what_it_deleted_itself_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all ids are held neither a row that was replaced in its place nor one that went is read again."""
    table = made_table(tmp_path)
    table.hold_all()
    monkeypatch.setattr(RecentIds, "_read", None)
    kept, gone = (Rows.of(table.rows([f"item-{number:05d}"])) for number in (1, 2))
    table.put(captions({6}, 60), captions({1}, 10), kept, gone)  # pyright: ignore[reportArgumentType]
    table.drop(Rows.of(table.rows(["item-00003"])))

    there = table.rows([f"item-{number:05d}" for number in range(8)])
    assert ["item-00000", "item-00001", "item-00006"] == sorted(there["item_id"].to_pylist())
    read = table.dataset.to_table(columns=["item_id"], with_row_id=True, with_row_address=True)
    assert read.sort_by("item_id").to_pylist() == there.sort_by("item_id").to_pylist()


def test_a_commit_after_anothers_is_not_told(tmp_path: Path) -> None:
    """What came between is not known, so nothing is: who follows reads. The rows are found all the same."""
    table = made_table(tmp_path)
    Table(table.dataset, "item_id", DIM).put(captions({6}, 60))  # pyright: ignore[reportArgumentType]

    table.put(captions({7}, 70))  # pyright: ignore[reportArgumentType]

    assert [] == table.made
    assert ["item-00006", "item-00007"] == sorted(table.rows(["item-00006", "item-00007"])["item_id"].to_pylist())


def test_a_jobs_commits_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large commits are left to readers: memory does not grow with them."""
    monkeypatch.setattr(module, "_MOST", 1)
    table = made_table(tmp_path)

    table.put(captions({5, 6}, 50))  # pyright: ignore[reportArgumentType]
    table.put(captions({7}, 50))  # pyright: ignore[reportArgumentType]

    assert [1] == [len(each.changes.rows) for each in table.made]


def test_a_turn_begins_with_nothing_made(tmp_path: Path) -> None:
    """A collection tells of the commits of its last turn, of items and of captions."""
    collection = filled(tmp_path, VECTORS[:3])
    ours = Collection.open(tmp_path, "test")
    collection.add(entries(VECTORS[9:10], first=1))
    before = ours.latest()
    ours.delete(["item-00002"])
    assert [[1], [1]] == [[len(each.changes.gone) for each in made] for made in (ours.made.items, ours.made.captions)]

    ours.add(entries(VECTORS[5:7], first=5))

    items, captions_made = ours.made.items, ours.made.captions
    assert [2] == [len(each.changes.rows) for each in items] == [len(each.changes.rows) for each in captions_made]
    told = [unpacked(each) for each in items[0].changes.records]
    assert told == ours.records_at(items[0].changes.rows.tolist()) and [] == captions_made[0].changes.records
    assert isinstance(items[0], Made) and before.version < items[0].before < items[0].after == ours.version
