"""index.moments: moments are there with their item, and not otherwise, whatever became of the writer."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import ids
from index import moments as module
from index.collection import Collection
from index.errors import CollectionMissing
from index.moments import MOMENTS, NO_VERSION, BestMoment, MomentRow, Moments, moments_key
from index.publish import publish
from index.rows import Entry, MomentRows
from index.schema import Video
from index.searcher import Searcher
from index.vectors import unit
from models.video.sampling import Sampling
from tests.index.support import DIM, empty_collection
from tests.index.support import entry as picture_entry


def video_entry(number: int, seconds: list[float], key: str = "k", seed: int = 0) -> Entry:
    """A video to write, with a moment at each of those seconds."""
    rng = np.random.default_rng([number, seed])
    vectors = unit(rng.normal(size=(len(seconds), DIM)))
    stills = tuple(f"still {number} {at} {key}".encode() for at in seconds)
    plain = picture_entry(number, ())
    record = replace(plain.record, video=Video(seconds[-1] + 1, len(seconds), key))
    return Entry(
        record, vectors.mean(axis=0), plain.caption_vectors, None, MomentRows(np.array(seconds), vectors, stills)
    )


def counted(collection: Collection) -> list[tuple[str, str, float]]:
    """Item, key and time of all moments that count, sorted."""
    rows = [row for found, _ in collection.moments.vectors(collection.items) for row in found.tolist()]
    return sorted((row.item_id, row.key, row.seconds) for row in collection.moments.at(rows) if row is not None)


def test_a_collection_of_pictures_has_none(tmp_path: Path) -> None:
    """No dataset and no columns, so long as no video comes."""
    collection = empty_collection(tmp_path)
    collection.add([picture_entry(1)])

    assert (NO_VERSION, 0, None) == (collection.moments.version, collection.moments.count(), collection.moments.dataset)
    assert not (collection.path / MOMENTS).exists()
    assert "video_key" not in collection.items.schema.names
    assert [] == list(collection.moments.vectors(collection.items)) == counted(collection)
    record = collection.first(1)[0]
    assert (None, None, None) == (record.video, collection.moments.of(record), collection.moments.still(record, 1.0))


def test_a_video_comes_back_whole(tmp_path: Path) -> None:
    """Beside pictures that were there before it; both keep their row ids."""
    collection = empty_collection(tmp_path)
    collection.add([picture_entry(1)])
    rows = collection.items.to_table(columns=["id"], with_row_id=True)["_rowid"].to_pylist()
    video = video_entry(2, [0.0, 1.5, 2.25])
    collection.add([video])

    read = Collection.open(tmp_path, "test")
    assert {"item-00001": None, "item-00002": Video(3.25, 3, "k")} == {each.id: each.video for each in read.first(9)}
    found = read.moments.of(video.record)
    assert found is not None and video.moments is not None
    assert ([0.0, 1.5, 2.25], video.moments.stills) == (found.seconds.tolist(), found.stills)
    np.testing.assert_allclose(video.moments.vectors, found.vectors, atol=1e-3)
    assert rows == read.items.to_table(columns=["id"], with_row_id=True)["_rowid"].to_pylist()[:1]


def test_moments_that_are_replaced_are_gone(tmp_path: Path) -> None:
    """Other moments of the same item take their place; captions and metadata alone leave them."""
    collection = empty_collection(tmp_path)
    old = video_entry(1, [0.0, 1.0, 2.0])
    collection.add([old, video_entry(2, [5.0])])
    collection.add([replace(old, record=replace(old.record, metadata={"n": 2}), moments=None)])
    assert 3 == len([row for row in counted(collection) if row[0] == "item-00001"])

    collection.add([video_entry(1, [0.5], "other")])

    assert [("item-00001", "other", 0.5), ("item-00002", "k", 5.0)] == counted(collection)
    assert 2 == collection.moments.count()


def test_a_picture_in_a_videos_place(tmp_path: Path) -> None:
    """The item is a picture then, and the moments are gone; removed items take theirs with them."""
    collection = empty_collection(tmp_path)
    collection.add([video_entry(1, [0.0]), video_entry(2, [1.0]), video_entry(3, [2.0])])

    collection.add([picture_entry(1)])
    collection.delete(["item-00002"])

    assert [("item-00003", "k", 2.0)] == counted(collection)
    assert 1 == collection.moments.count()


class _Killed(BaseException):
    pass


def test_a_writer_killed_between_moments_and_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it left counts for nothing, also beside the item's old moments, and is written anew when the item comes again."""
    collection = empty_collection(tmp_path)
    collection.add([video_entry(1, [0.0, 1.0])])
    with monkeypatch.context() as patched:
        patched.setattr(Collection, "_write_items", _dies)
        for entries in ([video_entry(1, [0.5], "new")], [video_entry(2, [4.0])]):
            with pytest.raises(_Killed):
                Collection.open(tmp_path, "test").add(entries)

    left = Collection.open(tmp_path, "test")
    assert (4, 1) == (left.moments.count(), left.count())
    assert [("item-00001", "k", 0.0), ("item-00001", "k", 1.0)] == counted(left)
    assert BestMoment(0.0, pytest.approx(1, abs=1e-3)) == left.moments.best([(left.first(1)[0], _vectors(1, 2)[0])])[0]

    left.add([video_entry(1, [0.5], "new"), video_entry(2, [4.0])])
    assert [("item-00001", "new", 0.5), ("item-00002", "k", 4.0)] == counted(left)
    assert 2 == left.moments.count()


def test_what_a_killed_writer_left_is_found_once_it_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a snapshot was published between the kill and the second try: moments written since are looked for."""
    collection = empty_collection(tmp_path, dim=DIM)
    collection.add([video_entry(1, [0.0, 1.0])])
    with monkeypatch.context() as patched:
        patched.setattr(Collection, "_write_items", _dies)
        with pytest.raises(_Killed):
            Collection.open(tmp_path, "test").add([video_entry(2, [4.0])])
    publish(Collection.open(tmp_path, "test"))

    again = video_entry(2, [4.0])
    Collection.open(tmp_path, "test").add([again])

    assert again.moments is not None
    (hits,) = Searcher.open(tmp_path, "test", contents=False).search(again.moments.vectors, [1], "moments")
    assert ["item-00002"] == [hit.id for hit in hits]


def _dies(*_: object) -> None:
    raise _Killed


def _vectors(number: int, count: int) -> np.ndarray:
    moments = video_entry(number, [float(at) for at in range(count)]).moments
    assert moments is not None
    return moments.vectors


def test_a_first_write_that_was_killed_is_done_again(tmp_path: Path) -> None:
    """A folder without a version is no dataset, and not in the way."""
    collection = empty_collection(tmp_path)
    (collection.path / MOMENTS / "data").mkdir(parents=True)
    (collection.path / MOMENTS / "data" / "half.lance").write_bytes(b"x")

    collection = Collection.open(tmp_path, "test")
    collection.add([video_entry(1, [0.0])])

    assert [("item-00001", "k", 0.0)] == counted(Collection.open(tmp_path, "test"))


def test_an_earlier_version_is_seen_as_it_was(tmp_path: Path) -> None:
    """Pinned at versions of items and moments; at the version of none there are none."""
    collection = empty_collection(tmp_path)
    collection.add([video_entry(1, [0.0])])
    pinned = collection.version, collection.captions_version, collection.moments.version
    collection.add([video_entry(2, [1.0])])

    assert [("item-00001", "k", 0.0)] == counted(collection.at(*pinned))
    assert 0 == collection.at(*pinned[:2], NO_VERSION).moments.count()
    assert 2 == len(counted(collection))
    with pytest.raises(CollectionMissing, match="no version 99"):
        collection.at(*pinned[:2], 99)


@pytest.mark.parametrize(("seconds", "still"), [(None, 1.5), (0.0, 0.0), (1.4, 1.5), (99.0, 2.25), (-1.0, 0.0)])
def test_the_still_of_a_moment(tmp_path: Path, seconds: float | None, still: float) -> None:
    """The one nearest in time; where no time is named, the middle one."""
    collection = empty_collection(tmp_path)
    video = video_entry(3, [0.0, 1.5, 2.25])
    collection.add([video])

    assert f"still 3 {still} k".encode() == collection.moments.still(video.record, seconds)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=6))
def test_the_best_moment_is_the_nearest_of_all(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, int]]
) -> None:
    """For any items, repeated ones and a picture among them, and any queries: as comparing one by one says."""
    collection = empty_collection(tmp_path_factory.mktemp("best"))
    entries = [
        picture_entry(0),
        *(video_entry(number, [float(at) for at in range(2 * number)]) for number in (1, 2, 3)),
    ]
    collection.add(entries)
    queries = unit(np.random.default_rng(0).normal(size=(6, DIM)))

    found = collection.moments.best([(entries[number].record, queries[query]) for number, query in asked])

    for (number, query), best in zip(asked, found, strict=True):
        moments = collection.moments.of(entries[number].record)
        if moments is None:
            assert best is None
        else:
            scores = moments.vectors @ queries[query]
            assert best == BestMoment(float(scores.argmax()), pytest.approx(float(scores.max()), abs=1e-6))


def test_equal_moments_are_told_by_the_first(tmp_path: Path) -> None:
    """A scene that lasts begins where it begins."""
    collection = empty_collection(tmp_path)
    video = video_entry(1, [0.0, 1.0, 2.0])
    assert video.moments is not None
    same = replace(video.moments, vectors=np.repeat(video.moments.vectors[1:2], 3, axis=0))
    collection.add([replace(video, moments=same)])

    assert [0.0] == [best.seconds for best in collection.moments.best([(video.record, same.vectors[0])]) if best]


def test_ids_are_indexed_when_there_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From so many rows on; later ones are taken in."""
    collection = empty_collection(tmp_path)
    collection.add([video_entry(1, [0.0, 1.0])])
    for many, indexes in ((3, 0), (2, 1), (2, 1)):
        monkeypatch.setattr(ids, "INDEX_FROM_ROWS", many)
        Collection.open(tmp_path, "test").index_ids()
        dataset = Moments.open(collection.path, DIM).dataset
        assert dataset is not None and indexes == len(dataset.describe_indices())
    collection = Collection.open(tmp_path, "test")
    collection.add([video_entry(2, [0.0])])
    assert 3 == len(counted(collection))


def test_rows_that_are_not_there(tmp_path: Path) -> None:
    """Of a row id that no moment has, nothing is told."""
    collection = empty_collection(tmp_path)
    assert [None] == collection.moments.at([7])
    collection.add([video_entry(1, [0.25])])

    (rows,) = [rows for rows, _ in collection.moments.vectors(collection.items)]

    assert [None, MomentRow("item-00001", "k", 0, 0.25)] == collection.moments.at([999, int(rows[0])])


def test_a_key_names_bytes_and_times() -> None:
    """Other bytes, or another choice of frames, make other moments; nothing else does."""
    sha256 = hashlib.sha256(b"video").hexdigest()
    changed = (Sampling(every=0.5), Sampling(most=64), Sampling(still_side=64))

    keys = {moments_key(sha256, each) for each in changed} | {moments_key("0" * 64, Sampling())}

    assert 4 == len(keys - {moments_key(sha256, Sampling())})
    assert moments_key(sha256, Sampling()) == moments_key(sha256, Sampling(every=1.0, most=128))


def test_the_rule_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """When moments are chosen in another way, all are made anew."""
    before = moments_key("ab", Sampling())
    monkeypatch.setattr(module, "_RULE", 99)

    assert before != moments_key("ab", Sampling())
