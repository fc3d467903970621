"""Rows added, replaced and dropped in one commit each."""

from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import replace as module
from index.datasets import newest
from index.replace import NO_ROWS, Rows, StoredRow, commit_rows, drop, located, put

COLUMNS = ["key", "number"]
KEYS = st.sets(st.integers(0, 9), min_size=1)


def table(keys: list[int], number: int) -> pa.Table:
    """Rows of those keys, all with that number."""
    return pa.table({"key": pa.array(keys, pa.int64()), "number": pa.array([number] * len(keys), pa.int64())})


def made(folder: Path, keys: list[int]) -> lance.LanceDataset:
    """A dataset of those keys, at number 0."""
    return lance.write_dataset(table(keys, 0), folder / "rows.lance", enable_stable_row_ids=True)


def rows(*ids: int) -> Rows:
    """Rows of those ids, whose places are to be looked up."""
    return Rows(np.array(ids, np.int64))


def contents(dataset: lance.LanceDataset) -> dict[int, tuple[int, int]]:
    """Number and row id by key."""
    read = dataset.to_table(columns=COLUMNS, with_row_id=True)
    rows = zip(read["number"].to_pylist(), read["_rowid"].to_pylist(), strict=True)
    return dict(zip(read["key"].to_pylist(), rows, strict=True))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.booleans(), KEYS), min_size=1, max_size=6), places=st.booleans())
def test_it_is_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, set[int]]], *, places: bool
) -> None:
    """Puts and drops of any keys: the rows are a dictionary's, known keys keep their row ids, and each step is a version.

    Whether it is said where rows lie, or looked up.
    """
    dataset = made(tmp_path_factory.mktemp("rows"), [0, 1, 2, 3])
    model = dict.fromkeys([0, 1, 2, 3], 0)
    for number, (puts, keys) in enumerate(steps, 1):
        before, version = contents(dataset), dataset.version
        known, fresh = sorted(keys & before.keys()), sorted(keys - before.keys())
        replaced = rows(*(before[key][1] for key in known))
        if places:
            found = located(dataset, replaced.ids)
            assert found.places is not None
            where = dict(zip(found.ids.tolist(), found.places.tolist(), strict=True))
            replaced = Rows.each(StoredRow(row, where[row]) for row in replaced.ids.tolist())
        if puts:
            dataset = put(dataset, table(fresh, number), table(known, number), replaced)
            model |= dict.fromkeys(keys, number)
        else:
            dataset = drop(dataset, replaced)
            model = {key: value for key, value in model.items() if key not in keys}
        now = contents(dataset)
        assert model == {key: value for key, (value, _) in now.items()}
        assert all(before[key][1] == row for key, (_, row) in now.items() if key in before)
        assert version + (1 if puts or known else 0) == dataset.version == newest(dataset).version


def test_versions_of_rows_tell_what_was_written_when(tmp_path: Path) -> None:
    """A replaced row was made when it was made, and written last now: who follows the dataset finds it by that."""
    dataset = made(tmp_path, [1, 2, 3])
    dataset = put(dataset, table([4], 1), table([2], 1), rows(contents(dataset)[2][1]))

    columns = ["key", "_row_created_at_version", "_row_last_updated_at_version"]
    read = dataset.to_table(columns=columns).sort_by("key").to_pylist()
    assert [(1, 1, 1), (2, 1, 2), (3, 1, 1), (4, 2, 2)] == [tuple(row.values()) for row in read]


def test_rows_may_be_added_replaced_and_dropped_at_once(tmp_path: Path) -> None:
    """One commit for all three, whether all that is known is ids, or of some rows where they lie."""
    for known in (True, False):
        dataset = made(tmp_path / str(known), [1, 2, 3, 4])
        dropped = located(dataset, rows(2).ids) if known else rows(2)

        after = put(dataset, table([3, 5], 7), table([2], 8), located(dataset, rows(1).ids), dropped)

        assert {1: (0, 0), 2: (8, 1), 3: (7, 4), 4: (0, 3), 5: (7, 5)} == contents(after)
        assert dataset.version + 1 == after.version


def test_nothing_is_no_version(tmp_path: Path) -> None:
    """Empty tables and no rows make no commit, and leave no file."""
    dataset = made(tmp_path, [1])
    files = sorted(tmp_path.rglob("*"))

    assert dataset is put(dataset, table([], 1), table([], 1))
    assert dataset is drop(dataset, NO_ROWS) is commit_rows(dataset, [], [], NO_ROWS)
    assert files == sorted(tmp_path.rglob("*"))


def test_columns_in_another_order_are_told_by_name(tmp_path: Path) -> None:
    """A dataset whose columns came one after the other has an order that a table made anew has not."""
    dataset = made(tmp_path, [1])

    dataset = put(dataset, table([2], 7).select(["number", "key"]))

    assert (7, 1) == contents(dataset)[2]


def test_places_are_those_of_rows_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are asked for and many read: both give file and offset, and leave out what is not there."""
    dataset = drop(put(made(tmp_path, [1, 2, 3]), table([4, 5], 1)), rows(1))
    asked, expected = rows(4, 0, 1, 77).ids, {StoredRow(0, 0), StoredRow(4, (1 << 32) + 1)}

    few = located(dataset, asked)
    monkeypatch.setattr(module, "_ROWS_TOGETHER", 1)
    many = located(dataset, asked)

    for found in (few, many):
        assert found.places is not None
        assert expected == set(map(StoredRow, found.ids.tolist(), found.places.tolist()))
    assert 0 == len(located(dataset, NO_ROWS.ids).ids) == len(located(dataset, rows(77).ids).ids)


def test_a_merge_beside_us_is_met_by_looking_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are merged between look and commit: the rows are found where they lie now, and nothing is written twice."""
    dataset, merges = put(put(made(tmp_path, [1]), table([2], 0)), table([3], 0)), list[int]()
    plain = module.without

    def merged_behind(at: lance.LanceDataset, given: Rows) -> object:
        made = plain(at, given)
        if not merges:
            merges.append(newest(at).optimize.compact_files().fragments_removed)
        return made

    monkeypatch.setattr(module, "without", merged_behind)
    # where it lay before the merge
    there = located(dataset, rows(contents(dataset)[2][1]).ids)
    dataset = put(dataset, table([4], 9), table([2], 9), there)

    assert [3] == merges
    assert {1: 0, 2: 9, 3: 0, 4: 9} == {key: number for key, (number, _) in contents(dataset).items()}
    assert {0, 1, 2, 3} == {row for _, row in contents(dataset).values()}


def test_another_fault_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no conflict is the caller's to hear of, at once."""
    dataset, calls = made(tmp_path, [1]), list[int]()

    def full(*_: object, **__: object) -> None:
        calls.append(1)
        raise OSError("No space left on device")

    monkeypatch.setattr(lance.LanceDataset, "commit", full)
    with pytest.raises(OSError, match="No space"):
        drop(dataset, rows(0))
    assert [1] == calls
