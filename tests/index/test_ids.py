"""Look-ups by id that follow small commits."""

from collections.abc import Sequence
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import ids as module
from index.collection import Collection
from index.datasets import newest, row_addresses, row_ids, rows_of_ids
from index.ids import RecentIds, update_index
from index.replace import Rows, drop, located, put
from tests.index.support import empty_collection, entry

KEYS = [f"key-{number}" for number in range(6)]


def table(keys: Sequence[str], number: int) -> pa.Table:
    """Rows of those keys, all with that number."""
    return pa.table({"key": list(keys), "number": pa.array([number] * len(keys), pa.int64())})


def made(folder: Path, keys: Sequence[str] = KEYS[:4], *, indexed: bool = True) -> lance.LanceDataset:
    """A dataset of those keys."""
    dataset = lance.write_dataset(table(keys, 0), folder / "rows.lance", enable_stable_row_ids=True)
    if indexed:
        dataset.create_scalar_index("key", "BTREE")
    return newest(dataset)


def found(ids: RecentIds, dataset: lance.LanceDataset, keys: Sequence[str] = KEYS) -> list[tuple[str, int, int]]:
    """Key, number and row id of what is found, sorted."""
    return _sorted(ids.rows(dataset, keys, ["number"]))


def expected(dataset: lance.LanceDataset, keys: Sequence[str] = KEYS) -> list[tuple[str, int, int]]:
    """The same by Lance alone."""
    return _sorted(rows_of_ids(dataset, "key", keys, ["key", "number"]))


def _sorted(read: pa.Table) -> list[tuple[str, int, int]]:
    return sorted(zip(read["key"].to_pylist(), read["number"].to_pylist(), row_ids(read).tolist(), strict=True))


def replaced(dataset: lance.LanceDataset, keys: Sequence[str], number: int) -> lance.LanceDataset:
    """With those keys at that number: known ones in their rows, others in new ones."""
    rows = {key: row for key, _, row in expected(dataset)}
    known = [key for key in keys if key in rows]
    fresh = table([key for key in keys if key not in rows], number)
    return put(dataset, fresh, table(known, number), Rows(np.array([rows[key] for key in known], np.int64)))


STEPS = st.one_of(
    st.tuples(st.just("put"), st.sets(st.sampled_from(KEYS), min_size=1)),
    st.tuples(st.just("drop"), st.sets(st.sampled_from(KEYS), min_size=1)),
    st.tuples(st.sampled_from(["merge", "index", "look"]), st.just(set[str]())),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=7), indexed=st.booleans(), whole=st.booleans())
def test_it_finds_what_a_scan_finds(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, set[str]]], *, indexed: bool, whole: bool
) -> None:
    """Whatever was put, dropped, merged or indexed in between, and whether or not it looked: the rows of those keys."""
    dataset, ids = made(tmp_path_factory.mktemp("ids"), indexed=indexed), RecentIds("key", whole=whole)
    for number, (step, keys) in enumerate(steps, 1):
        if step == "put":
            dataset = replaced(dataset, sorted(keys), number)
        elif step == "drop":
            there = ids.rows(dataset, keys, [])
            # where they lie, as Lance tells it
            assert located(dataset, row_ids(there)).places.tolist() == sorted(row_addresses(there).tolist())  # pyright: ignore[reportOptionalMemberAccess]
            dataset = drop(dataset, Rows.of(there))
            ids.dropped(row_addresses(there))
        elif step == "merge":
            dataset.optimize.compact_files()
        elif step == "index" and dataset.describe_indices():
            dataset.optimize.optimize_indices()
        else:
            assert expected(dataset) == found(ids, dataset)
        dataset = newest(dataset)

    assert expected(dataset) == found(ids, dataset)
    assert expected(dataset, KEYS[:1]) == found(ids, dataset, KEYS[:1])


def test_a_key_may_have_many_rows(tmp_path: Path) -> None:
    """Captions of an item: those that the B-tree knows, and those that came later."""
    dataset, ids = made(tmp_path, ["a", "b", "a"]), RecentIds("key")
    dataset = put(dataset, table(["a", "c"], 1))

    assert [("a", 0), ("a", 0), ("a", 1), ("c", 1)] == [row[:2] for row in found(ids, dataset, ["a", "c"])]


def test_ids_in_a_file_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up after ten small commits reads the files that came since the last one."""
    dataset, ids, read = made(tmp_path), RecentIds("key"), list[int]()
    plain = RecentIds._read  # pyright: ignore[reportPrivateUsage]

    def counted(self: RecentIds, dataset: lance.LanceDataset, files: list[lance.LanceFragment]) -> None:
        read.append(len(files))
        plain(self, dataset, files)

    monkeypatch.setattr(RecentIds, "_read", counted)
    for number in range(10):
        dataset = replaced(dataset, [f"new-{number}"], number)
    assert [("new-3", 3)] == [row[:2] for row in found(ids, dataset, ["new-3"])]
    dataset = replaced(dataset, ["new-10"], 10)
    assert ["new-10", "new-4"] == [key for key, _, _ in found(ids, dataset, ["new-10", "new-4"])]

    assert [10, 1] == read


def test_of_many_new_rows_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound look-ups are Lance's own: memory does not grow with rows that no B-tree knows."""
    monkeypatch.setattr(module, "_MOST_RECENT", 3)
    dataset, ids = made(tmp_path, indexed=False), RecentIds("key")

    assert expected(dataset) == found(ids, dataset)
    assert {} == ids._files  # pyright: ignore[reportPrivateUsage]


def test_all_ids_are_held_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all are held the B-tree is not asked; of more rows than that those alone are held that it does not know."""
    dataset, ids = made(tmp_path), RecentIds("key", whole=True)
    with monkeypatch.context() as patch:
        patch.setattr(module, "rows_of_ids", None)
        assert [KEYS[0]] == ids.rows(dataset, [KEYS[0], "x"], [])["key"].to_pylist()
    monkeypatch.setattr(module, "_MOST", 4)
    dataset = replaced(dataset, ["new-1"], 1)

    assert expected(dataset, [*KEYS, "new-1"]) == found(ids, dataset, [*KEYS, "new-1"])
    assert [1] == list(ids._files)  # pyright: ignore[reportPrivateUsage]


def test_rows_that_others_deleted_are_not_there(tmp_path: Path) -> None:
    """A file of which more rows are gone than is known of is read again, and the others are not."""
    dataset, ids = made(tmp_path), RecentIds("key", whole=True)
    dataset = put(dataset, table(["new-1"], 1))
    ids.rows(dataset, [], [])
    held = dict(ids._files)  # pyright: ignore[reportPrivateUsage]
    dataset = drop(dataset, Rows.of(rows_of_ids(dataset, "key", [KEYS[0]], ["key"], addresses=True)))

    assert [] == ids.rows(dataset, [KEYS[0]], [])["key"].to_pylist()
    assert [False, True] == [held[file] is each for file, each in sorted(ids._files.items())]  # pyright: ignore[reportPrivateUsage]


def test_ids_are_values_and_never_code(tmp_path: Path) -> None:
    """An id that reads like a predicate finds nothing but itself."""
    odd = ["' OR 1=1 --", "%", "a'b\"c\\"]
    dataset, ids = made(tmp_path, [*KEYS, *odd]), RecentIds("key")

    assert sorted(odd) == [key for key, _, _ in found(ids, dataset, odd)]
    assert [] == found(ids, dataset, ["' OR 'a'='a", "_"]) == found(ids, dataset, [])


def test_a_collection_finds_what_it_wrote_itself(tmp_path: Path) -> None:
    """One writer, many turns: an item that came a moment ago is known, one that another removed is not."""
    ours, others = empty_collection(tmp_path), Collection.open(tmp_path, "test")
    ours.add([entry(1), entry(2)])
    with ours.turn():
        assert {"item-00001", "item-00002"} == ours.stored(["item-00001", "item-00002", "item-00003"]).keys()
    others.delete(["item-00001"])
    others.add([entry(3)])
    with ours.turn():
        assert {"item-00002", "item-00003"} == ours.stored(["item-00001", "item-00002", "item-00003"]).keys()


def test_a_b_tree_may_lack_some_rows(tmp_path: Path) -> None:
    """It is brought up to date when it lacks more than it may; a small dataset gets none."""
    dataset = replaced(made(tmp_path), ["new-1", "new-2"], 1)
    update_index(newest(dataset), "key", behind=2)
    assert [{0}] == known_files(newest(dataset))

    update_index(newest(dataset), "key", behind=1)
    assert [{0, 1}] == known_files(newest(dataset))

    small = made(tmp_path / "small", indexed=False)
    update_index(small, "key")
    assert [] == known_files(newest(small))


def known_files(dataset: lance.LanceDataset) -> list[set[int]]:
    """Of each index."""
    return [{file for part in index.segments for file in part.fragment_ids} for index in dataset.describe_indices()]


def test_writers_go_on_while_it_is_brought_up_to_date(tmp_path: Path) -> None:
    """A commit between look and commit of the B-tree fails neither, and every row is found."""
    dataset = made(tmp_path)
    behind, dataset = newest(dataset), replaced(dataset, ["new-1"], 1)
    stale = behind.checkout_version(dataset.version)
    dataset = replaced(drop(dataset, Rows.of(RecentIds("key").rows(dataset, [KEYS[0]], []))), [KEYS[1], "new-2"], 2)

    update_index(stale, "key")

    assert expected(newest(dataset), [*KEYS, "new-1", "new-2"]) == found(
        RecentIds("key"), newest(dataset), [*KEYS, "new-1", "new-2"]
    )
    assert {KEYS[1]: 2, "new-1": 1, "new-2": 2} == {
        key: number for key, number, _ in expected(newest(dataset), [*KEYS[:2], "new-1", "new-2"])
    }
