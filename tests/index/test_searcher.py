"""One published snapshot, searched."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from index import searcher as module
from index.duplicates.groups import Groups, GroupsInfo
from index.errors import CollectionMissing, SnapshotInvalid, SnapshotMissing, UriMissing
from index.plan import Budget
from index.publish import publish
from index.question import Question
from index.ranking import Ranking
from index.schema import COLLECTION_FILE, Record
from index.searcher import Searcher
from tests.index.published import DIM, entries, filled, unit_vectors
from tests.index.support import empty_collection

VECTORS = unit_vectors(50)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty items with two captions each, published."""
    folder = tmp_path_factory.mktemp("collections")
    publish(filled(folder, VECTORS, captions=2))
    return folder


@pytest.fixture(scope="module")
def searcher(root: Path) -> Searcher:
    """The collection, open."""
    return Searcher.open(root, "test")


def test_every_item_finds_itself(searcher: Searcher) -> None:
    """A stored vector brings its own item first, with its record and a score of 1."""
    found = searcher.search(VECTORS, [1] * len(VECTORS), "images")

    assert [f"item-{number:05d}" for number in range(50)] == [hits[0].id for hits in found]
    assert all(abs(1 - hits[0].score) < 2e-3 for hits in found)
    assert 7 == found[7][0].record.metadata["number"]


def test_each_query_gets_what_it_asked_for(searcher: Searcher) -> None:
    """Queries of one batch may want different numbers of hits; scores fall."""
    found = searcher.search(VECTORS[:3], [1, 5, 100], "images")

    assert [1, 5, 50] == [len(hits) for hits in found]
    for hits in found:
        assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]


def test_a_batch_answers_as_single_queries(searcher: Searcher) -> None:
    """Who shares a batch does not change the hits."""
    together = searcher.search(VECTORS[:8], [5] * 8, "images")
    alone = [searcher.search(VECTORS[place : place + 1], [5], "images")[0] for place in range(8)]

    assert [[hit.id for hit in hits] for hits in alone] == [[hit.id for hit in hits] for hits in together]


@pytest.mark.parametrize("rows", [300, 2_500])
def test_pages_of_equals_hold_each_once(tmp_path: Path, rows: int) -> None:
    """Items with one and the same vector stand in one order: pages repeat none and miss none, first and deep ones."""
    publish(filled(tmp_path, np.repeat(unit_vectors(1), rows, axis=0)))
    searcher = Searcher.open(tmp_path, "test")
    starts = range(0, 300, 20)

    pages = [searcher.search(unit_vectors(1), [at + 20], "images", skips=[at])[0] for at in starts]

    assert 300 == len({hit.id for page in pages for hit in page})
    assert all(20 == len(page) for page in pages)


@pytest.mark.parametrize("kind", ["hnsw-fp16", "ivf-rabitq"])
def test_pages_of_an_approximate_index_are_slices_of_one_order(tmp_path: Path, kind: str) -> None:
    """Though a deeper search finds some that the first missed: no page repeats a hit, whatever the size of the pages, and the first are the same."""
    vectors = unit_vectors(6_000, dim=32)
    publish(filled(tmp_path, vectors), budget=Budget(kind=kind))
    searcher, queries = Searcher.open(tmp_path, "test"), unit_vectors(20, dim=32, seed=7)
    found_late = 0

    for place in range(len(queries)):
        query = queries[place : place + 1]
        whole = [hit.id for hit in searcher.search(query, [2_100], "images")[0]]
        for size in (100, 700):
            pages = [searcher.search(query, [at + size], "images", skips=[at])[0] for at in range(0, 2_100, size)]
            assert whole == [hit.id for page in pages for hit in page]
        assert 2_100 == len(set(whole))
        scores = [hit.score for hit in searcher.search(query, [2_100], "images")[0]]
        found_late += scores != sorted(scores, reverse=True)
        assert scores[:128] == sorted(scores[:128], reverse=True)
    # or this would be a test of an exact index
    assert found_late


def test_a_graph_answers_a_query_the_same_in_any_company(tmp_path: Path) -> None:
    """The best ten of a query are the same alone, as a slice of the best hundred, and beside a query that looks deep."""
    vectors = unit_vectors(3_000, dim=32)
    publish(filled(tmp_path, vectors), budget=Budget(kind="hnsw-fp16"))
    searcher, queries = Searcher.open(tmp_path, "test"), unit_vectors(40, dim=32, seed=7)
    assert searcher.manifest.images.factory.startswith("HNSW")

    for place in range(len(queries)):
        query = queries[place : place + 1]
        alone = searcher.search(query, [10], "images")[0]
        beside = searcher.search(queries[[place, 0]], [10, 1_500], "images")[0]
        pages = [searcher.search(query, [at + 10], "images", skips=[at])[0] for at in range(0, 100, 10)]
        assert [hit.id for hit in alone] == [hit.id for hit in beside] == [hit.id for hit in pages[0]]
        assert 100 == len({hit.id for page in pages for hit in page})


def test_what_is_skipped_is_not_looked_up(searcher: Searcher) -> None:
    """A later page is the tail of the order, and costs the records of that page."""
    whole = searcher.search(VECTORS[:2], [30, 10], "images")

    tails = searcher.search(VECTORS[:2], [30, 10], "images", skips=[25, 10])

    assert [hit.id for hit in whole[0][25:]] == [hit.id for hit in tails[0]]
    assert [] == tails[1]


def test_captions_are_found_with_their_items(searcher: Searcher) -> None:
    """A search for texts brings captions, each with the item it belongs to."""
    hits = searcher.search(VECTORS[4:5], [2], "texts")[0]

    assert {"caption 0 of 4", "caption 1 of 4"} == {hit.caption for hit in hits}
    assert {"item-00004"} == {hit.id for hit in hits} == {hit.record.id for hit in hits}


def test_a_hit_that_is_gone_takes_its_duplicates_with_it(searcher: Searcher) -> None:
    """What a ranking has and the collection has no more is left out; each other hit keeps what it stands for."""
    rows = np.sort(searcher.ranked(Question(VECTORS[0]), 50).rows)
    info = GroupsInfo(
        collection="test", collection_created_at="", bundle_digest="", items_version=1, items=50, threshold=0.9,
        bits=None, chains=False, groups=2, created_at="",
    )  # fmt: skip
    groups = Groups(info, rows[:5], np.repeat(rows[[0, 3]], [3, 2]))
    ranking = Ranking(np.array([rows[0], rows[-1] + 1, rows[3], rows[9]]), np.array([0.9, 0.8, 0.7, 0.6]))

    found = searcher.hits(ranking, Question(VECTORS[0], groups=groups))
    plain = searcher.hits(ranking, Question(VECTORS[0]))

    assert [(0.9, 2), (0.7, 1), (0.6, 0)] == [(hit.score, hit.duplicates) for hit in found]
    assert 3 * [None] == [hit.duplicates for hit in plain]


def test_no_queries_no_hits(searcher: Searcher) -> None:
    """An empty batch has an empty answer."""
    assert [] == searcher.search(np.zeros((0, DIM), np.float32), [], "images")


def test_what_is_written_later_is_not_seen(tmp_path: Path) -> None:
    """A searcher shows its snapshot's version, whatever is added or replaced after it was opened."""
    collection = filled(tmp_path, VECTORS[:10])
    publish(collection)
    searcher = Searcher.open(tmp_path, "test")

    collection.add(entries(unit_vectors(3, seed=5), first=9))

    assert 10 == len(searcher.search(VECTORS[:1], [100], "images")[0])
    assert searcher.record("item-00011") is None
    publish(collection)
    assert 12 == Searcher.open(tmp_path, "test").count


def test_an_empty_collection_answers(tmp_path: Path) -> None:
    """Without items every search has no hits."""
    publish(empty_collection(tmp_path, dim=DIM))
    searcher = Searcher.open(tmp_path, "test")

    assert (0, 0) == (searcher.count, searcher.caption_count)
    assert [[], []] == searcher.search(VECTORS[:2], [3, 3], "images")
    assert [[]] == searcher.search(VECTORS[:1], [3], "texts")


def test_items_are_looked_up_by_id(searcher: Searcher) -> None:
    """Record and vector of an id are there; of an unknown id they are None."""
    record, vector = searcher.record("item-00003"), searcher.vector("item-00003")

    assert record is not None
    assert vector is not None
    assert "file:///3.png" == record.uri
    assert np.allclose(VECTORS[3], vector, atol=1e-3)
    assert searcher.record("nobody") is None
    assert searcher.vector("nobody") is None


def test_a_picture_that_is_gone_is_told(searcher: Searcher) -> None:
    """The bytes come from the item's address; where there is nothing the error says so."""
    record = searcher.record("item-00003")
    assert record is not None

    with pytest.raises(UriMissing):
        searcher.image_bytes(record)


def test_only_the_picture_that_was_indexed_is_handed_out(tmp_path: Path) -> None:
    """The bytes are those that were indexed; what lies at their address since then, a picture or a secret, is not."""
    path = tmp_path / "a.png"
    path.write_bytes(b"picture")
    collection = filled(tmp_path, VECTORS[:1])
    publish(collection)
    searcher = Searcher.open(tmp_path, "test")
    record = Record("a", path.as_uri(), hashlib.sha256(b"picture").hexdigest(), 3, 4)

    assert b"picture" == searcher.image_bytes(record)
    path.write_bytes(b"secret!")
    with pytest.raises(UriMissing, match="has changed since it was indexed"):
        searcher.image_bytes(record)


def test_a_file_that_has_grown_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than any that is indexed is refused, though its hash were right: the end is never read."""
    publish(filled(tmp_path, VECTORS[:1]))
    data = b"x" * 1_000
    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(module, "_MAX_BYTES", 100)
    record = Record("a", (tmp_path / "a.png").as_uri(), hashlib.sha256(data).hexdigest(), 3, 4)

    with pytest.raises(UriMissing, match="changed"):
        Searcher.open(tmp_path, "test").image_bytes(record)


def test_threads_share_a_searcher(searcher: Searcher) -> None:
    """Eight threads get the answers that one gets."""
    alone = [hit.id for hit in searcher.search(VECTORS[:1], [10], "images")[0]]

    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda _: searcher.search(VECTORS[:1], [10], "images")[0], range(32))

    assert all(alone == [hit.id for hit in hits] for hits in together)


def test_another_model_s_snapshot_is_refused(tmp_path: Path) -> None:
    """A snapshot whose bundle is not the collection's is not served."""
    collection = filled(tmp_path, VECTORS[:5])
    publish(collection)
    path = collection.path / COLLECTION_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "bundle_digest": "1" * 64}))

    with pytest.raises(SnapshotInvalid, match="belongs to"):
        Searcher.open(tmp_path, "test")


def test_what_is_not_there_is_told(root: Path, tmp_path: Path) -> None:
    """An unknown collection and an unpublished one are errors of their own."""
    with pytest.raises(CollectionMissing):
        Searcher.open(root, "nobody")
    filled(tmp_path, VECTORS[:2])
    with pytest.raises(SnapshotMissing):
        Searcher.open(tmp_path, "test")


def test_some_items_can_be_shown(searcher: Searcher) -> None:
    """The first items are there for whoever has no query yet."""
    assert ["item-00000", "item-00001"] == [record.id for record in searcher.first(2)]
