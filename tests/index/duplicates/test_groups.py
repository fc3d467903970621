"""Groups beside a collection."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.duplicates.groups import FOLDER, GROUPS_FILE, Found, Groups, load_groups, save_groups
from index.errors import DuplicatesInvalid
from tests.index.duplicates.test_collapse import INFO, groups
from tests.index.support import empty_collection


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """A collection without items."""
    return empty_collection(tmp_path)


def _found(owners: dict[int, int]) -> Found:
    rows = np.array(sorted(owners), np.int64)
    named = np.array([owners[row] for row in rows.tolist()], np.int64)
    return Found(rows, named, np.ones(len(rows), np.float32), rows != named)


def _save(collection: Collection, owners: dict[int, int]) -> None:
    save_groups(collection, _found(owners), items=9, threshold=0.9, bits=4, chains=False)


@pytest.mark.parametrize("owners", [{}, {3: 7, 7: 7, 2**40: 7}])
def test_what_was_saved_is_loaded(collection: Collection, owners: dict[int, int]) -> None:
    """Rows, representatives and how they were found come back."""
    _save(collection, owners)

    loaded = load_groups(collection.path)

    assert loaded is not None
    assert owners == dict(zip(loaded.rows.tolist(), loaded.representatives.tolist(), strict=True))
    assert ("test", 0.9, 4, 9) == (loaded.info.collection, loaded.info.threshold, loaded.info.bits, loaded.info.items)
    assert collection.version == loaded.info.items_version


def test_nothing_saved_is_none(collection: Collection) -> None:
    """A collection in which none were looked for has no groups, and that is no error."""
    assert load_groups(collection.path) is None


def test_groups_of_a_collection_that_is_no_more_are_not_its_successors(tmp_path: Path, collection: Collection) -> None:
    """Row ids of an older collection of the same name mean nothing in the new one."""
    _save(collection, {1: 1, 2: 1})
    file = collection.path / "collection.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "created_at": "2020-01-01T00:00:00+00:00"}))

    assert load_groups(collection.path) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "newer"])
def test_a_damaged_file_is_refused(collection: Collection, damage: str) -> None:
    """Truncated, altered, replaced or newer: the message says to find the groups again."""
    _save(collection, {row: row // 2 * 2 for row in range(1000)})
    file = collection.path / FOLDER / GROUPS_FILE
    data = bytearray(file.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        # in the middle of a column
        data[data.index(np.int64(500).tobytes()) + 1] ^= 1
    elif damage == "other":
        data = bytearray(b"no groups")
    else:
        data = data.replace(b'"schema_version":1,"sha256"', b'"schema_version":9,"sha256"')
    file.write_bytes(data)

    with pytest.raises(DuplicatesInvalid, match="find them again"):
        load_groups(collection.path)


def test_a_million_rows_open_at_once(collection: Collection) -> None:
    """Opening maps the file: it takes a fraction of a second at a million grouped rows."""
    rows = np.arange(1_000_000)
    found = Found(rows, rows // 2 * 2, np.ones(len(rows), np.float32), rows % 2 == 1)
    save_groups(collection, found, items=len(rows), threshold=0.9, bits=None, chains=False)

    # of the processor: the machine may do other things meanwhile
    began = time.process_time()
    loaded = load_groups(collection.path)
    seconds = time.process_time() - began

    assert loaded is not None
    assert 499_998 == loaded.of(np.array([499_999]))[0]
    assert seconds < 1


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 3)), st.lists(st.integers(0, 40)))
@settings(max_examples=30)
def test_a_row_in_no_group_stands_for_itself(owners: dict[int, int], rows: list[int]) -> None:
    """Looking up is looking up in a dictionary, whose default is the row."""
    found = groups(owners).of(np.array(rows, np.int64))

    assert [owners.get(row, row) for row in rows] == found.tolist()


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 3)), st.lists(st.integers(0, 40)))
@settings(max_examples=30)
def test_rows_that_changed_leave_their_group(owners: dict[int, int], changed: list[int]) -> None:
    """Without some rows the groups are those of the others, as they were."""
    kept = groups(owners).without(np.array(changed, np.int64))

    expected = {row: owner for row, owner in owners.items() if row not in changed}
    assert expected == dict(zip(kept.rows.tolist(), kept.representatives.tolist(), strict=True))


def test_groups_come_largest_first_with_their_representative_in_front() -> None:
    """Members follow in the order of their rows; of groups of one size the earlier representative's is first."""
    found = _found({1: 4, 4: 4, 2: 3, 3: 3, 9: 4})

    assert [[4, 1, 9], [3, 2]] == [found.rows[members].tolist() for members in found.groups()]


def test_no_groups_are_an_empty_list() -> None:
    """Nothing found is nothing to show."""
    assert [] == _found({}).groups()
    assert isinstance(groups({}), Groups)
    assert INFO.groups
