"""index.moment_search: moments as hits of their own, folded, paged, fresh; and the best moment of a video that is found."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.moment_search import PER_VIDEO
from index.publish import publish
from index.rows import Entry
from index.searcher import Searcher
from index.vectors import unit
from tests.index.support import DIM, empty_collection
from tests.index.support import entry as picture_entry
from tests.index.test_moments import video_entry

QUERY = np.eye(DIM, dtype=np.float32)[:1]


def near(number: int, cosines: list[float]) -> Entry:
    """A video with a moment each second, at those cosines to the query."""
    plain = video_entry(number, [float(at) for at in range(len(cosines))])
    vectors = np.zeros((len(cosines), DIM), np.float32)
    vectors[:, 0] = cosines
    vectors[:, 1] = np.sqrt(1 - vectors[:, 0] ** 2)
    assert plain.moments is not None
    return replace(plain, vector=unit(vectors.mean(axis=0)), moments=replace(plain.moments, vectors=vectors))


def found(searcher: Searcher, k: int = 10, skip: int = 0, **options: np.ndarray) -> list[tuple[int, float]]:
    """Number of the video and second of each moment that is found."""
    (hits,) = searcher.search(QUERY, [k], "moments", skips=[skip], **options)
    return [(int(hit.id.removeprefix("item-")), hit.moment.seconds) for hit in hits if hit.moment is not None]


def published(root: Path, *entries: Entry) -> Searcher:
    """A searcher over a published collection of those items."""
    collection = empty_collection(root)
    collection.add(entries)
    publish(collection)
    return Searcher.open(root, "test")


def test_moments_are_hits(tmp_path: Path) -> None:
    """Best first, of several videos and several of one; pictures have none, and captions do not come in between."""
    searcher = published(tmp_path, near(1, [0.9, 0.1, 0.7]), near(2, [0.8]), picture_entry(3))

    (hits,) = searcher.search(QUERY, [10], "moments")

    assert [(1, 0.0), (2, 0.0), (1, 2.0)] == found(searcher)
    assert all(hit.moment is not None and hit.score == hit.moment.score and hit.caption is None for hit in hits)
    np.testing.assert_allclose([0.9, 0.8, 0.7], [hit.score for hit in hits], atol=1e-3)
    assert 4 == searcher.moment_count
    assert hits[0].record.video is not None


def test_a_scene_comes_once(tmp_path: Path) -> None:
    """Moments beside a better one of the same video are passed over; those of another video are not."""
    searcher = published(tmp_path, near(1, [0.5, 0.9, 0.8, 0.7, 0.2]), near(2, [0.85, 0.6]))

    assert [(1, 1.0), (2, 0.0), (1, 3.0)] == found(searcher)


def test_one_video_does_not_fill_the_answer(tmp_path: Path) -> None:
    """No more than a few of each, so that others are seen."""
    long = near(1, [0.99 - at / 1000 for at in range(40)])
    searcher = published(tmp_path, long, near(2, [0.1]), near(3, [0.05]))

    hits = found(searcher)

    assert PER_VIDEO == len([number for number, _ in hits if number == 1])
    assert [1, 1, 1, 2, 3] == [number for number, _ in hits]


def test_what_is_passed_over_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is filled from further down, where one video's moments are all that is near."""
    monkeypatch.setattr("index.moment_search._FIRST_DEPTH", 4)
    long = near(1, [0.99 - at / 1000 for at in range(60)])
    searcher = published(tmp_path, long, *(near(number, [0.3 - number / 100]) for number in range(2, 8)))

    assert [1, 1, 1, 2, 3, 4] == [number for number, _ in found(searcher, 6)]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(st.integers(-99, 99), min_size=1, max_size=6), min_size=1, max_size=5), st.integers(1, 4))
def test_pages_are_slices_of_one_order(
    tmp_path_factory: pytest.TempPathFactory, cosines: list[list[int]], size: int
) -> None:
    """Whatever is found, page by page it is found once, in the same order, and never two beside each other."""
    entries = [near(number, [each / 100 for each in row]) for number, row in enumerate(cosines)]
    searcher = published(tmp_path_factory.mktemp("pages"), *entries)
    whole = found(searcher, 100)

    pages = [found(searcher, start + size, start) for start in range(0, len(whole) + size, size)]

    assert whole == [hit for page in pages for hit in page]
    assert len(whole) == len(set(whole)) and whole
    for number in range(len(cosines)):
        seconds = sorted(at for found_in, at in whole if found_in == number)
        assert len(seconds) <= PER_VIDEO and all(two - one > 1 for one, two in pairwise(seconds))


def test_only_some_may_be_found(tmp_path: Path) -> None:
    """Those of some items, named by row ids as a filter gives them."""
    searcher = published(tmp_path, near(1, [0.9]), near(2, [0.8, 0.1, 0.7]), near(3, [0.6]))
    moments = searcher.view.collection.moments

    assert [(2, 0.0), (2, 2.0), (3, 0.0)] == found(searcher, among=moments.rows_of(["item-00003", "item-00002", "x"]))
    assert [] == found(searcher, among=moments.rows_of([]))


def test_queries_are_answered_as_if_alone(tmp_path: Path) -> None:
    """Several in one call, of different depths."""
    searcher = published(tmp_path, near(1, [0.9, 0.1, -0.9]), near(2, [0.8]))
    queries = np.concatenate([QUERY, -QUERY])

    together = searcher.search(queries, [2, 1], "moments", skips=[1, 0])

    assert together == [
        *searcher.search(queries[:1], [2], "moments", skips=[1]), *searcher.search(queries[1:], [1], "moments"),
    ]  # fmt: skip
    assert [] == searcher.search(queries[:0], [], "moments")


def test_moments_are_found_as_soon_as_they_are_written(tmp_path: Path) -> None:
    """Videos of an unpublished commit, the first ones too; replaced and removed ones are found no more."""
    searcher = published(tmp_path, picture_entry(1))
    assert (0, []) == (searcher.moment_count, found(searcher))
    writer = Collection.open(tmp_path, "test")

    writer.add([near(2, [0.9, 0.0, 0.8]), near(3, [0.7])])
    first = searcher.advanced()
    assert [(2, 0.0), (2, 2.0), (3, 0.0)] == found(first) and 4 == first.moment_count

    again = near(2, [0.2])
    assert again.record.video is not None
    writer.add([replace(again, record=replace(again.record, video=replace(again.record.video, key="new")))])
    writer.delete(["item-00003"])
    second = first.advanced()

    assert [(2, 0.0), (2, 2.0), (3, 0.0)] == found(first)
    assert ([(2, 0.0)], 1) == (found(second), second.moment_count)
    assert first.state != second.state != searcher.state
    publish(writer.latest())
    assert [(2, 0.0)] == found(Searcher.open(tmp_path, "test"))


def test_a_snapshot_shows_the_moments_of_its_versions(tmp_path: Path) -> None:
    """Published, written on, published: an old snapshot with a new collection, and a new one, find the same."""
    collection = empty_collection(tmp_path)
    collection.add([near(1, [0.9]), near(2, [0.8])])
    manifest = publish(collection)
    assert manifest.moments is not None and (2, collection.moments.version) == (
        manifest.moments.rows, manifest.moments_version,
    )  # fmt: skip
    collection.add([near(3, [0.85])])

    opened = Searcher.open(tmp_path, "test")

    assert [(1, 0.0), (3, 0.0), (2, 0.0)] == found(opened)
    assert 0 < opened.unpublished


def test_a_found_video_tells_its_best_moment(tmp_path: Path) -> None:
    """The one nearest to the query, which need not be the video's own vector; a picture tells none."""
    searcher = published(tmp_path, near(1, [0.2, 0.9, 0.1]), near(2, [0.5]), picture_entry(9, ()))

    hits = searcher.search(np.concatenate([QUERY, -QUERY]), [3, 3], "images")

    for page in hits:
        assert {"item-00001", "item-00002", "item-00009"} == {hit.id for hit in page}
    told = [{hit.id: hit.moment and hit.moment.seconds for hit in page} for page in hits]
    assert {"item-00001": 1.0, "item-00002": 0.0, "item-00009": None} == told[0]
    assert {"item-00001": 2.0, "item-00002": 0.0, "item-00009": None} == told[1]
    (first,) = [hit for hit in hits[0] if hit.id == "item-00001"]
    assert first.moment is not None and first.moment.score == pytest.approx(0.9, abs=1e-3) and first.score < 0.9


def test_stills_come_from_the_searcher(tmp_path: Path) -> None:
    """Of the moment nearest in time; a picture has none."""
    searcher = published(tmp_path, near(1, [0.2, 0.9]), picture_entry(2))
    video, picture = searcher.record("item-00001"), searcher.record("item-00002")
    assert video is not None and picture is not None

    assert (b"still 1 1.0 k", None) == (searcher.still(video, 1.2), searcher.still(picture, 0.0))


def test_moments_left_by_a_killed_writer_are_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the tail, and count for nothing."""
    searcher = published(tmp_path, near(1, [0.5]))
    with monkeypatch.context() as patched:
        patched.setattr(Collection, "_write_items", _dies)
        with pytest.raises(KeyboardInterrupt):
            Collection.open(tmp_path, "test").add([near(2, [0.9])])

    assert [(1, 0.0)] == found(searcher.advanced())
    publish(Collection.open(tmp_path, "test"))
    assert [(1, 0.0)] == found(Searcher.open(tmp_path, "test"))


def _dies(*_: object) -> None:
    raise KeyboardInterrupt
