"""Groups beside a collection."""

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.duplicates.find import Options, find_duplicates
from index.duplicates.groups import FOLDER, GROUPS_FILE, Found, Groups, load_groups, save_groups
from index.errors import DuplicatesInvalid
from index.rows import Entry
from index.searcher import Searcher
from tests.index.duplicates.made import searcher
from tests.index.duplicates.test_collapse import INFO, groups
from tests.index.published import unit_vectors
from tests.index.support import empty_collection


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """A collection without items."""
    return empty_collection(tmp_path)


def _found(owners: dict[int, int]) -> Found:
    rows = np.array(sorted(owners), np.int64)
    named = np.array([owners[row] for row in rows.tolist()], np.int64)
    digests = np.array([bytes([row % 251]) * 16 for row in rows.tolist()], "S16")
    return Found(rows, named, np.ones(len(rows), np.float32), rows != named, digests)


def _save(collection: Collection, owners: dict[int, int]) -> None:
    save_groups(collection, _found(owners), items=9, threshold=0.9, bits=4, chains=False)


@pytest.mark.parametrize("owners", [{}, {3: 7, 7: 7, 2**40: 7}])
def test_what_was_saved_is_loaded(collection: Collection, owners: dict[int, int]) -> None:
    """Rows, representatives and how they were found come back."""
    _save(collection, owners)

    loaded = load_groups(collection.path)

    assert loaded is not None
    assert owners == dict(zip(loaded.rows.tolist(), loaded.representatives.tolist(), strict=True))
    assert loaded.digests is not None
    assert _found(owners).digests.tolist() == loaded.digests.tolist()
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


@pytest.mark.parametrize("damage", ["cut", "flipped", "picture", "other", "newer"])
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
    elif damage == "picture":
        data[data.index(16 * bytes([77])) + 1] ^= 1
    elif damage == "other":
        data = bytearray(b"no groups")
    else:
        data = data.replace(b'"schema_version":2,"sha256"', b'"schema_version":9,"sha256"')
    file.write_bytes(data)

    with pytest.raises(DuplicatesInvalid, match="find them again"):
        load_groups(collection.path)


def test_a_file_of_the_first_version_opens(collection: Collection) -> None:
    """It has no pictures; all else is as it was."""
    _save(collection, {1: 1, 2: 1})
    _as_first_version(collection)

    loaded = load_groups(collection.path)

    assert loaded is not None
    assert (1, None) == (loaded.info.schema_version, loaded.digests)
    assert ([1, 2], [1, 1]) == (loaded.rows.tolist(), loaded.representatives.tolist())


def _as_first_version(collection: Collection) -> None:
    """Write the groups that are kept as ViLEM once did."""
    file = collection.path / FOLDER / GROUPS_FILE
    table = pa.ipc.open_file(pa.BufferReader(file.read_bytes())).read_all().drop_columns(["picture"])
    head = json.loads(table.schema.metadata[b"vilem"])
    sealed = hashlib.sha256(table["row_id"].to_numpy().tobytes() + table["representative"].to_numpy().tobytes())
    head = {"schema_version": 1, "sha256": sealed.hexdigest(), "info": {**head["info"], "schema_version": 1}}
    schema = table.schema.with_metadata({b"vilem": json.dumps(head).encode()})
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(table.replace_schema_metadata(schema.metadata))


@pytest.mark.parametrize("first_version", [False, True])
def test_who_has_another_picture_now_leaves_its_group(tmp_path: Path, *, first_version: bool) -> None:
    """New captions and metadata leave a member where it is, a new picture does not; of a file without pictures, any write takes it out."""
    seen = searcher(tmp_path, np.repeat(unit_vectors(1), 6, axis=0))
    found = find_duplicates(seen, Options(0.9))
    collection = seen.view.collection
    save_groups(collection, found.found, items=6, threshold=0.9, bits=None, chains=False)
    if first_version:
        _as_first_version(collection)
    records = collection.get_many(f"item-{number:03d}" for number in range(6))
    told = [replace(records[f"item-{number:03d}"], metadata={"seen": True}) for number in (1, 2)]
    other = replace(records["item-004"], sha256="f" * 64)
    collection.add([Entry(each, unit_vectors(1)[0], np.zeros((0, 8), np.float32)) for each in (*told, other)])
    collection.delete(["item-005"])

    now = Searcher.open(tmp_path, "test")
    groups = now.duplicates

    assert groups is not None
    kept = [0, 3, 5] if first_version else [0, 1, 2, 3, 5]
    assert found.found.rows[kept].tolist() == groups.rows.tolist()


def test_a_million_rows_open_at_once(collection: Collection) -> None:
    """Opening maps the file: it takes a fraction of a second at a million grouped rows."""
    rows = np.arange(1_000_000)
    digests = np.frombuffer(np.random.default_rng(0).bytes(16 * len(rows)), "S16")
    found = Found(rows, rows // 2 * 2, np.ones(len(rows), np.float32), rows % 2 == 1, digests)
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
    """Without some rows the groups are those of the others; one whose representative left is another's, and not named as that is."""
    # a representative represents itself
    owners |= {owner: owner for owner in owners.values()}
    kept = groups(owners).without(np.array(changed, np.int64))

    left = {row: owner for row, owner in owners.items() if row not in changed}
    first = {owner: min(row for row in left if left[row] == owner) for owner in left.values()}
    expected = {row: first[owner] if owner in changed else owner for row, owner in left.items()}
    assert expected == dict(zip(kept.rows.tolist(), kept.representatives.tolist(), strict=True))
    assert all([row] == kept.of(np.array([row])).tolist() for row in changed)


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 3)), st.lists(st.integers(0, 40)))
@settings(max_examples=30)
def test_the_members_of_a_group_are_those_with_its_name(owners: dict[int, int], rows: list[int]) -> None:
    """Asked by any of them, in the order of their rows; a row in none is alone."""
    owners |= {owner: owner for owner in owners.values()}
    made = groups(owners)

    for row in [*rows, *owners]:
        expected = [each for each in sorted(owners) if owners[each] == owners.get(row)] or [row]
        assert expected == made.members(row).tolist()


def test_groups_come_largest_first_with_their_representative_in_front() -> None:
    """Members follow in the order of their rows; of groups of one size the earlier representative's is first."""
    found = _found({1: 4, 4: 4, 2: 3, 3: 3, 9: 4})

    assert [[4, 1, 9], [3, 2]] == [found.rows[members].tolist() for members in found.groups()]


def test_no_groups_are_an_empty_list() -> None:
    """Nothing found is nothing to show."""
    assert [] == _found({}).groups()
    assert isinstance(groups({}), Groups)
    assert INFO.groups
