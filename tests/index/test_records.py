"""The records of a snapshot's items, mapped into memory."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import records as module
from index.collection import Collection
from index.errors import SnapshotInvalid
from index.records import RECORDS_FILE, Records, write_records
from index.rows import MomentRows
from index.schema import Record, Video
from tests.index.published import entries, filled, unit_vectors

ROWS = 20


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Twenty items with two captions each, two of them replaced and one removed since."""
    made = filled(tmp_path_factory.mktemp("records"), unit_vectors(ROWS + 1), captions=2)
    made.add(entries(unit_vectors(2, seed=1), captions=3, first=7))
    made.delete(["item-00003"])
    return made


def stored(collection: Collection) -> list[Record]:
    """All records by Lance, in the order of an index's positions."""
    rows = [row for found, _ in collection.item_vectors() for row in found.tolist()]
    return [record for record in collection.records_at(rows) if record is not None]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(positions=st.lists(st.integers(0, ROWS - 1), max_size=8), batch=st.integers(1, 30))
def test_they_are_what_lance_has(
    collection: Collection, tmp_path_factory: pytest.TempPathFactory, positions: list[int], batch: int
) -> None:
    """Any positions, in any order and again, from files of any batches: the very records, in the order asked for."""
    path = tmp_path_factory.mktemp("file") / RECORDS_FILE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BATCH_ROWS", batch)
        assert ROWS == write_records(collection.items, path)

    records, expected = Records.open(path), stored(collection)

    assert ROWS == len(records) == len(expected)
    assert [expected[position] for position in positions] == records.at(positions)


def test_videos_keep_what_makes_them_videos(tmp_path: Path) -> None:
    """A record of a video has its length, its number of moments and their key; one of a picture has none."""
    made = filled(tmp_path, unit_vectors(1))
    video = entries(unit_vectors(1), first=1)[0]
    rows = MomentRows(unit_vectors(1)[:, 0].astype("float64"), unit_vectors(1), (b"still",))
    record = replace(video.record, video=Video(1.5, 1, "key"))
    made.add([type(video)(record, video.vector, video.caption_vectors, moments=rows)])

    write_records(made.items, tmp_path / RECORDS_FILE)

    assert [None, Video(1.5, 1, "key")] == [each.video for each in Records.open(tmp_path / RECORDS_FILE).at([0, 1])]


def test_no_items_are_no_records(tmp_path: Path) -> None:
    """An empty collection has a file of its columns and of no row."""
    made = filled(tmp_path, unit_vectors(0))

    assert 0 == write_records(made.items, tmp_path / RECORDS_FILE)
    assert 0 == len(Records.open(tmp_path / RECORDS_FILE))


def _write_other_columns(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, pa.schema([("id", pa.string())])):
        pass


@pytest.mark.parametrize(
    "make",
    [lambda path: path.write_bytes(b"x" * 40), lambda path: path.touch(), _write_other_columns, lambda path: None],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, make: object) -> None:
    """Bytes that are no Arrow, an empty file, other columns, no file: the reason, and what to do."""
    assert callable(make)
    make(tmp_path / RECORDS_FILE)

    with pytest.raises(SnapshotInvalid, match="publish the collection again"):
        Records.open(tmp_path / RECORDS_FILE)
