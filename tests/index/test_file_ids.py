"""The keys of one file, in memory."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import file_ids as module
from index.file_ids import FileIds, hashes_of

KEYS = ["", "a", "b", "é", "item-1", "item-2", "' OR 1=1 --"]
FEW = [0, 512]


def made(keys: Sequence[str], deletions: int = 0) -> FileIds:
    """Of a file whose n-th row has the n-th key, the row id 100 + n and the offset 2 n."""
    rows = np.arange(len(keys))
    return FileIds(pa.array(keys, pa.string()), 100 + rows, 2 * rows, deletions)


def found(ids: FileIds, keys: Sequence[str]) -> list[tuple[str, int, int]]:
    """What is found, sorted."""
    return sorted(ids.find(keys, hashes_of(keys)))


@given(st.lists(st.sampled_from(KEYS), max_size=12), st.sets(st.integers(0, 11)), st.sets(st.sampled_from(KEYS)))
def test_each_row_that_is_there_is_found_by_its_key(keys: list[str], gone: set[int], asked: set[str]) -> None:
    """By name in a small file and by hash in a large one: the rows with those keys, all of them, but for the deleted ones."""
    for few in FEW:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_FEW", few)
            ids = made(keys)
            ids.drop(np.array([2 * place for place in sorted(gone)], np.int64))

            there = [(key, 100 + place, 2 * place) for place, key in enumerate(keys) if place not in gone]
            assert sorted(each for each in there if each[0] in asked) == found(ids, sorted(asked))
            assert len(keys) - len(there) == ids.deletions


def test_a_row_is_deleted_once() -> None:
    """Told again, or of a row that was gone when the file was read, a deletion does not count again."""
    ids = made(KEYS, deletions=3)
    for _ in range(2):
        ids.drop(np.array([2, 999], np.int64))

    assert 4 == ids.deletions


def test_equal_hashes_are_not_equal_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are compared whole, whatever their hashes are."""
    monkeypatch.setattr(module, "_FEW", 0)
    monkeypatch.setattr(module, "hash", lambda _: 7, raising=False)
    ids = made(KEYS)

    assert [("b", 102, 4)] == found(ids, ["b"])
    assert [] == found(ids, ["c"])
