"""index.collection: what is written is what is read, at any version, after any kill."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lance
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import collection as module
from index import ids, table
from index.collection import Collection, list_collections
from index.errors import CollectionExists, CollectionNameInvalid, LeaseHeld
from index.lease import lease
from index.replace import Rows
from index.rows import CaptionRow, Entry
from index.schema import Record, Reject, is_valid_id
from tests.index.support import DIM, empty_collection, entry, live_captions, stored_ids
from tests.index.test_schema import JSON


def test_a_new_collection_is_empty_and_found(tmp_path: Path) -> None:
    """What was created is listed, opens by name, and says what embeds it."""
    Collection.create(tmp_path, "shoes", dim=8, bundle_digest="d" * 64, bundle_name="vit")
    opened = Collection.open(tmp_path, "shoes")
    assert ["shoes"] == list_collections(tmp_path)
    assert ("shoes", 8, "d" * 64, "vit") == (
        opened.info.name,
        opened.info.dim,
        opened.info.bundle_digest,
        opened.info.bundle_name,
    )
    assert (0, [], []) == (opened.count(), opened.first(3), opened.rejects())


def test_a_job_remembers_less(tmp_path: Path) -> None:
    """Items and captions share one small memory of Lance's from then on, at the version that others left and at later ones."""
    ours, others = empty_collection(tmp_path), Collection.open(tmp_path, "test")
    assert not ours.items.session().is_same_as(ours.captions.session())
    others.add([entry(1)])

    ours.remember_less()

    assert 1 == ours.count()
    session = ours.items.session()
    ours.add([entry(2)])
    assert all(each.session().is_same_as(session) for each in (*ours.datasets, *ours.latest().datasets))
    assert ["item-00001", "item-00002"] == sorted(stored_ids(ours))


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    """Creating a collection again is refused and changes nothing."""
    empty_collection(tmp_path).add([entry(1)])
    with pytest.raises(CollectionExists, match="test"):
        empty_collection(tmp_path)
    assert 1 == Collection.open(tmp_path, "test").count()


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    """Names are checked on the way in and on the way out."""
    for call in (lambda: empty_collection(tmp_path, "../x"), lambda: Collection.open(tmp_path, "../x")):
        with pytest.raises(CollectionNameInvalid):
            call()


def test_a_creation_that_was_killed_can_be_repeated(tmp_path: Path) -> None:
    """A folder without collection.json is no collection, and no obstacle."""
    empty_collection(tmp_path).add([entry(1)])
    (tmp_path / "test" / "collection.json").unlink()
    assert [] == list_collections(tmp_path)
    assert 0 == empty_collection(tmp_path).count()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    item_id=st.text(min_size=1, max_size=40).filter(is_valid_id),
    captions=st.lists(st.text(max_size=20), max_size=4, unique=True),
    metadata=st.dictionaries(st.text(max_size=8), JSON, max_size=3),
)
def test_any_id_and_metadata_come_back(
    tmp_path_factory: pytest.TempPathFactory, item_id: str, captions: list[str], metadata: dict[str, object]
) -> None:
    """An item is found by its id, whatever quotes, wildcards or scripts that holds, and comes back equal."""
    collection = empty_collection(tmp_path_factory.mktemp("collections"))
    record = Record(item_id, "file:///x", "ab", 1, 2, tuple(captions), metadata)  # pyright: ignore[reportArgumentType]
    collection.add([entry(1), Entry(record, np.ones(DIM), np.ones((len(captions), DIM)))])
    assert record == collection.get(item_id)
    assert {item_id: "ab"} == collection.known([item_id, item_id + "x"])
    assert {(item_id, text) for text in captions} == set(collection.vectors_of_captions([item_id]))


def test_items_come_with_their_vectors_and_captions(tmp_path: Path) -> None:
    """Row ids lead from a vector back to its item, and from a caption's vector to the caption."""
    collection = empty_collection(tmp_path)
    collection.add([entry(number) for number in range(5)])
    ((rows, vectors),) = collection.item_vectors()
    assert (5,) == rows.shape and (5, DIM) == vectors.shape and np.float32 == vectors.dtype
    for record, vector in zip(collection.records_at(rows.tolist()), vectors, strict=True):
        assert record
        np.testing.assert_array_equal(collection.vectors([record.id])[record.id], vector)
        assert record.metadata["number"] == round(float(vector[0]) * 1024)
    ((caption_rows, caption_vectors),) = collection.caption_vectors()
    for row, vector in zip(collection.captions_at(caption_rows.tolist()), caption_vectors, strict=True):
        assert row
        np.testing.assert_array_equal(collection.vectors_of_captions([row.item_id])[row.item_id, row.text], vector)


def test_rows_answer_in_the_order_asked(tmp_path: Path) -> None:
    """Rows that are asked for twice come twice, and rows that are not there are None."""
    collection = empty_collection(tmp_path)
    collection.add([entry(number) for number in range(3)])
    rows = np.concatenate([rows for rows, _ in collection.item_vectors()]).tolist()
    records = collection.records_at([rows[2], rows[0], 9_999, rows[2]])
    assert ["item-00002", "item-00000", None, "item-00002"] == [record and record.id for record in records]
    assert [] == collection.records_at([]) == collection.captions_at([])


def test_scans_come_in_batches(tmp_path: Path) -> None:
    """No batch is larger than asked for, and together they are all rows."""
    collection = empty_collection(tmp_path)
    for start in (0, 40):
        collection.add([entry(number) for number in range(start, start + 40)])
    sizes = [len(rows) for rows, _ in collection.item_vectors(batch_rows=16)]
    assert max(sizes) <= 16
    assert 80 == sum(sizes)
    assert 160 == sum(len(rows) for rows, _ in collection.caption_vectors(batch_rows=16))


def test_an_item_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Writing a known id replaces image, captions and metadata; other items stay."""
    collection = empty_collection(tmp_path)
    collection.add([entry(1), entry(2)])
    collection.add([entry(2, ["three"], "b"), entry(3, [])])
    assert ["item-00001", "item-00002", "item-00003"] == stored_ids(collection)
    assert {"item-00001": "a", "item-00002": "b"} == collection.known(["item-00001", "item-00002"])
    assert [("item-00001", 0, "one"), ("item-00001", 1, "two"), ("item-00002", 0, "three")] == live_captions(collection)
    assert 3 == collection.captions.count_rows()


def test_a_reader_keeps_its_version(tmp_path: Path) -> None:
    """A collection that was opened before a write does not see it; the versions can be opened again later."""
    collection = empty_collection(tmp_path)
    collection.add([entry(1), entry(2)])
    before = Collection.open(tmp_path, "test")
    collection.add([entry(2, ["three"], "b"), entry(3)])
    for reader in (before, collection.at(before.version, before.captions_version)):
        assert ["item-00001", "item-00002"] == [record.id for record in reader.first(9)]
        assert {"item-00002": "a"} == reader.known(["item-00002"])
        assert 4 == sum(len(rows) for rows, _ in reader.caption_vectors())
    assert 3 == before.latest().count()
    before.refresh()
    assert collection.version == before.version


def test_a_replaced_item_keeps_its_row(tmp_path: Path) -> None:
    """Row ids are stable: what a snapshot wrote down still means the same item."""
    collection = empty_collection(tmp_path)
    collection.add([entry(number) for number in range(4)])
    rows = [int(row) for found, _ in collection.item_vectors() for row in found]
    before = [record and record.id for record in collection.records_at(rows)]
    collection.add([entry(1, ["new"], "b")])
    assert before == [record and record.id for record in collection.records_at(rows)]


def test_one_id_twice_in_one_write_is_a_mistake(tmp_path: Path) -> None:
    """Which of the two should stay nobody can say: nothing is written."""
    collection = empty_collection(tmp_path)
    with pytest.raises(ValueError, match="one id"):
        collection.add([entry(1), entry(1, ["three"])])
    assert 0 == collection.latest().count()


def test_writing_nothing_is_no_version(tmp_path: Path) -> None:
    """An empty chunk does not make readers look again."""
    collection = empty_collection(tmp_path)
    version = collection.version
    collection.add([])
    assert version == collection.latest().version


class Killed(Exception):
    """Stands for the death of the writer."""


def _die_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def die(*given: object, **_: object) -> object:
        if isinstance(given[-1], Rows) and not len(given[-1].ids):
            return given[0]  # nothing to drop
        raise Killed

    owner = next(each for each in (module, table, Collection) if hasattr(each, name))
    monkeypatch.setattr(owner, name, die)


@pytest.mark.parametrize("step", ["items_like", "_write_items", "drop"])
def test_a_write_that_dies_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """At each step of a replacement: readers see the old item with its captions, or the new one; repeating mends."""
    collection = empty_collection(tmp_path)
    collection.add([entry(1), entry(2)])
    with monkeypatch.context() as patch:
        _die_at(patch, step)
        with pytest.raises(Killed):
            collection.add([entry(2, ["two", "three"], "b"), entry(3, ["four"])])
    seen = Collection.open(tmp_path, "test")
    old = [("item-00002", 0, "one"), ("item-00002", 1, "two")]
    new = [("item-00002", 0, "two"), ("item-00002", 1, "three"), ("item-00003", 0, "four")]
    committed = step == "drop"
    assert {"item-00002": "b" if committed else "a"} == seen.known(["item-00002"])
    assert (new if committed else old) == live_captions(seen)[2:]

    again = Collection.open(tmp_path, "test")
    again.add([entry(2, ["two", "three"], "b"), entry(3, ["four"])])
    assert new == live_captions(again)[2:]
    assert ["item-00001", "item-00002", "item-00003"] == stored_ids(again)
    assert 5 == again.latest().captions.count_rows()


def test_captions_without_item_are_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Captions that a killed writer left are not written twice when their item comes."""
    collection = empty_collection(tmp_path)
    with monkeypatch.context() as patch:
        _die_at(patch, "items_like")
        with pytest.raises(Killed):
            collection.add([entry(1)])
    assert [] == live_captions(collection)
    assert 2 == collection.latest().captions.count_rows()
    collection.refresh()
    collection.add([entry(1)])
    assert 2 == len(live_captions(collection)) == collection.captions.count_rows()


def test_captions_of_items_that_never_came_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caption whose item is not there is never handed out."""
    collection = empty_collection(tmp_path)
    collection.add([entry(1)])
    with monkeypatch.context() as patch:
        _die_at(patch, "items_like")
        with pytest.raises(Killed):
            collection.add([entry(2)])
    rows = [row for found, _ in collection.latest().caption_vectors() for row in found.tolist()]
    assert {"item-00001"} == {row.item_id for row in collection.latest().captions_at(rows) if row}


def test_rejects_are_one_for_an_item_and_uri(tmp_path: Path) -> None:
    """The last reason counts; a cleared id leaves the table with all of its rows."""
    collection = empty_collection(tmp_path)
    first = Reject("a", "file:///1", "missing-file", "not there", "2026-01-01T00:00:00+00:00")
    other = dataclasses.replace(first, uri="file:///2", reason="duplicate-id")
    kept = dataclasses.replace(first, id="b'")
    collection.note_rejects([first, first, other, kept], [])
    collection.note_rejects([dataclasses.replace(first, reason="too-large")], [])
    assert [("a", "too-large"), ("a", "duplicate-id"), ("b'", "missing-file")] == [
        (reject.id, reject.reason) for reject in collection.rejects()
    ]
    collection.note_rejects([], ["a", "c"])
    assert [kept] == collection.rejects()
    collection.note_rejects([], [])


def test_clearing_nothing_writes_nothing(tmp_path: Path) -> None:
    """Runs without rejects leave no versions behind."""
    collection = empty_collection(tmp_path)
    path = collection.path / "rejects.lance"
    before = lance.dataset(path).version
    collection.note_rejects([], ["a", "b"])
    assert before == lance.dataset(path).version


def test_an_index_changes_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without B-trees, and for rows younger than them, look-ups find the same."""
    monkeypatch.setattr(ids, "INDEX_FROM_ROWS", 20)
    collection = empty_collection(tmp_path)
    collection.index_ids()
    assert [] == collection.items.list_indices()
    collection.add([entry(number) for number in range(30)])
    collection.index_ids()
    assert ["id"] == collection.items.list_indices()[0]["fields"]
    collection.add([entry(number, ["new"], "b") for number in range(25, 40)])
    for _ in range(2):
        assert {"item-00003": "a", "item-00027": "b", "item-00039": "b"} == collection.known(
            ["item-00003", "item-00027", "item-00039", "item-00040"]
        )
        assert 25 * 2 + 15 == len(live_captions(collection))
        assert {CaptionRow("item-00027", 0, "new")} == {
            row for row in collection.captions_at(range(200)) if row and row.item_id == "item-00027"
        }
        collection.index_ids()


def test_two_first_jobs_make_one_collection(tmp_path: Path) -> None:
    """Whoever creates a collection while another does so is told; no row of the other is taken for a killed attempt's."""
    given = {"dim": 4, "bundle_digest": "0" * 64, "bundle_name": "tiny"}

    def create(_: int) -> str:
        try:
            made = Collection.create(tmp_path, "test", **given)  # pyright: ignore[reportArgumentType] # of several types
        except (LeaseHeld, CollectionExists) as error:
            return type(error).__name__
        made.add([entry(1)])
        return "made"

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(create, range(8)))

    assert 1 == outcomes.count("made"), outcomes
    assert 1 == Collection.open(tmp_path, "test").count()


def test_a_collection_that_is_being_made_is_left_alone(tmp_path: Path) -> None:
    """While another process holds the lease nothing of the folder is removed."""
    (tmp_path / "test" / "items.lance").mkdir(parents=True)
    with lease(tmp_path / "test", "creation"), pytest.raises(LeaseHeld):
        Collection.create(tmp_path, "test", dim=4, bundle_digest="0" * 64, bundle_name="tiny")

    assert (tmp_path / "test" / "items.lance").is_dir()
