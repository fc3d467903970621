"""Laws of the search by words, on real collections."""

from collections.abc import Sequence
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.errors import TextIndexMissing
from index.lexical import search
from index.lexical.search import Operator, search_captions, search_texts
from index.lexical.text_index import ensure_text_index, update_text_index
from index.ranking import Ranking
from tests.index.lexical.bm25 import scores
from tests.index.support import empty_collection, entry

CORPUS = [
    ("a red circle left of a blue star", "two red squares, red as fire"),
    ("the blue star",),
    (),
    ("a circle", "a circle in a circle", "nothing of the kind"),
    ("日本語の文章", "un café à Paris"),
    ("the red circles and the green triangle",),
]


def collection_of(root: Path, corpus: Sequence[tuple[str, ...]] = CORPUS) -> Collection:
    """Items of those captions, their index made."""
    collection = empty_collection(root)
    collection.add([entry(number, captions) for number, captions in enumerate(corpus)])
    ensure_text_index(collection.captions, "text")
    return collection.latest()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """The collection of `CORPUS`, which no test changes; item n is row n."""
    return collection_of(tmp_path_factory.mktemp("corpus"))


def expected(corpus: Sequence[tuple[str, ...]], query: str) -> dict[int, float]:
    """Best score of each item that has a word of the query, computed from the formula."""
    places = [item for item, captions in enumerate(corpus) for _ in captions]
    found = scores([text for captions in corpus for text in captions], query)
    return {item: max(found[at] for at in found if places[at] == item) for item in {places[at] for at in found}}


def as_scores(ranking: Ranking) -> dict[int, float]:
    """Score by row, to five digits."""
    return {row: pytest.approx(score, rel=1e-5) for row, score in zip(ranking.rows, ranking.scores, strict=True)}


@pytest.mark.parametrize("query", ["red circle", "red red circle", "a", "BLUE stars!", "文章", "cafe paris", "of the"])
def test_scores_are_bm25(corpus: Collection, query: str) -> None:
    """Each item that has a word of the query is found with the score of its best caption, as the formula gives it."""
    found = search_texts(corpus, query, 10)

    assert as_scores(found) == expected(CORPUS, query)
    assert (np.int64, np.float32) == (found.rows.dtype, found.scores.dtype)
    keys = list(zip((-found.scores).tolist(), found.rows.tolist(), strict=True))
    assert sorted(keys) == keys


WORDS = st.sampled_from(["red", "blue", "circle", "star", "a", "of", "REDS", "x:y", "don't", "日本語"])
TEXTS = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)


@given(st.lists(st.lists(TEXTS, max_size=3).map(tuple), min_size=1, max_size=6), TEXTS)
@settings(max_examples=6, deadline=None)
def test_scores_are_bm25_of_any_corpus(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[tuple[str, ...]], query: str
) -> None:
    """Whatever the captions and the query."""
    unique = [tuple(dict.fromkeys(captions)) for captions in corpus]

    found = search_texts(collection_of(tmp_path_factory.mktemp("any"), unique), query, 10)

    assert as_scores(found) == expected(unique, query)


@pytest.mark.parametrize(
    ("operator", "query", "rows"),
    [
        ("or", "circle star", {0, 1, 3, 5}),
        ("and", "circle star", {0}),
        ("and", "star circle", {0}),
        ("phrase", "in a circle", {3}),
        ("phrase", "circle a in", set()),
    ],
)
def test_operators(corpus: Collection, operator: Operator, query: str, rows: set[int]) -> None:
    """One of the words, all of them in one caption, or all of them in their order."""
    assert rows == set(search_texts(corpus, query, 10, operator=operator).rows.tolist())


@pytest.mark.parametrize(
    "query",
    [
        "", " ", "!!!", "🎉", "\x00", '"', "(((", "[qqq TO z]", "text:*", "item_id = 'x'", "' OR 1=1 --", "\\", "\ud800", "*:*",
        "NOT qqq", "qqq^9", "qqq~2", "/qqq.*/", "word " * 10_000, "🎉" * 5_000, "w" * 100_000, " ".join(map(str, range(10_000))),
    ],
)  # fmt: skip
def test_the_words_of_a_query_are_data(corpus: Collection, query: str) -> None:
    """Whatever a query is made of, its words are compared, and nothing else happens: these have none that are there."""
    for operator in ("or", "and", "phrase"):
        assert 0 == len(search_texts(corpus, query, 10, operator=operator))


@pytest.mark.parametrize(
    "query", ["red -blue", "+red +blue", '"red blue"', "(red) [blue]", "red\x00blue", "red/blue\\"]
)
def test_signs_between_words_mean_nothing(corpus: Collection, query: str) -> None:
    """What other search boxes take for commands is space between words."""
    plain, signed = search_texts(corpus, "red blue", 10), search_texts(corpus, query, 10)

    assert plain.rows.tolist() == signed.rows.tolist()
    assert plain.scores.tolist() == signed.scores.tolist()


def test_stop_words_find_what_has_them(corpus: Collection) -> None:
    """A query of nothing but stop words is answered like any other."""
    assert {0, 1, 3, 5} == set(search_texts(corpus, "the of", 10).rows.tolist())


def test_captions_are_found_by_their_own_rows(corpus: Collection) -> None:
    """Of captions each one counts for itself; the best of an item's is the item's score."""
    captions = search_captions(corpus, "red circle", 10)
    items = search_texts(corpus, "red circle", 10)

    texts = [row.text for row in corpus.captions_at(captions.rows.tolist()) if row is not None]
    all_texts = [text for captions_ in CORPUS for text in captions_]
    by_text = {all_texts[at]: score for at, score in scores(all_texts, "red circle").items()}
    assert by_text == dict(zip(texts, (pytest.approx(score, rel=1e-5) for score in captions.scores), strict=True))
    assert captions.scores[0] == items.scores[0]


def test_the_best_k_are_the_first_of_all(corpus: Collection) -> None:
    """For every k, the answer is the first k of the whole ranking."""
    whole = search_texts(corpus, "a red circle of the star", 100)

    for k in range(len(whole) + 2):
        found = search_texts(corpus, "a red circle of the star", k)
        assert whole.rows[:k].tolist() == found.rows.tolist()


def test_of_equals_the_smaller_row_comes_first(tmp_path: Path) -> None:
    """Among hundreds of items with one score, more than are read at first, the smallest row ids are found."""
    collection = collection_of(tmp_path, [("red star", "blue")] * 300 + [("red",)])

    found = search_texts(collection, "red", 5)

    assert [300, 0, 1, 2, 3] == found.rows.tolist()


def test_so_many_equals_that_some_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound on equals a search ends with k of them rather than read on."""
    monkeypatch.setattr(search, "_MAX_EQUALS", 100)
    collection = collection_of(tmp_path, [("red star",)] * 700)

    assert 5 == len(search_texts(collection, "red", 5))


@pytest.mark.parametrize("rows", [[], [3], [0, 2, 5], [1, 2], [99]])
def test_only_allowed_items_are_found(corpus: Collection, rows: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """With allowed rows the answer is the whole ranking without the others: looked up before the search or after it."""
    whole = search_texts(corpus, "a red circle of the star", 10)
    kept = [row for row in whole.rows.tolist() if row in rows]

    for lookups in (0, 10**9):
        monkeypatch.setattr(search, "_LOOKUPS", lookups)
        found = search_texts(corpus, "a red circle of the star", 10, allowed=np.array(rows, np.int64))
        assert kept == found.rows.tolist()
        assert set(found.scores.tolist()) <= set(whole.scores.tolist())


@pytest.mark.parametrize("lookups", [0, 10**9])
def test_allowed_items_are_found_however_far_down(
    tmp_path: Path, lookups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only allowed items come after hundreds of better ones: they are found all the same."""
    monkeypatch.setattr(search, "_LOOKUPS", lookups)
    collection = collection_of(tmp_path, [("red",)] * 400 + [("red star",)] * 3)

    found = search_texts(collection, "red", 2, allowed=np.array([400, 402]))

    assert [400, 402] == found.rows.tolist()


def test_what_is_written_is_found_and_what_is_gone_is_not(tmp_path: Path) -> None:
    """Through appends, changed captions, deletions, index updates and compaction, items are found by what they list now."""
    collection = collection_of(tmp_path)
    now = dict(enumerate(CORPUS))

    def check() -> None:
        latest = collection.latest()
        for word in ("red", "circle", "star", "green"):
            listed = {item for item, captions in now.items() if scores(captions, word)}
            ids = {record.id for record in latest.records_at(search_texts(latest, word, 50).rows.tolist()) if record}
            assert {f"item-{item:05d}" for item in listed} == ids, word

    def write(items: dict[int, tuple[str, ...]]) -> None:
        now.update(items)
        collection.add([entry(number, captions, sha256="b") for number, captions in items.items()])
        check()

    check()
    write({10: ("a green star",), 11: ("red",)})
    write({0: ("a green triangle",), 1: ("the blue star", "red")})
    update_text_index(collection.latest().captions, "text", rewritten=False)
    check()
    write({0: CORPUS[0], 11: ()})
    collection.latest().items.delete("id = 'item-00005'")
    del now[5]
    check()
    collection = collection.latest()
    collection.captions.optimize.compact_files()
    collection.items.optimize.compact_files()
    check()
    update_text_index(collection.latest().captions, "text", rewritten=False)
    check()


def test_scores_are_bm25_once_rows_are_in_the_index(tmp_path: Path) -> None:
    """What was written since is scored by all texts at once; what was there, when the index has taken the new ones in."""
    collection = collection_of(tmp_path, CORPUS[:3])
    collection.add([entry(number, captions) for number, captions in enumerate(CORPUS) if number >= 3])
    formula = expected(CORPUS, "red circle")

    before = as_scores(search_texts(collection.latest(), "red circle", 10))
    update_text_index(collection.latest().captions, "text", rewritten=False)
    after = search_texts(collection.latest(), "red circle", 10)

    assert formula.keys() == before.keys()
    assert [before[row] for row in (3, 5)] == [formula[row] for row in (3, 5)]
    assert as_scores(after) == formula


def test_a_caption_that_no_item_lists_is_not_found(tmp_path: Path) -> None:
    """What a killed writer left of captions does not count, nor what an item lists at another place."""
    collection = collection_of(tmp_path, [("blue",)])
    stray = [("item-00000", 1, "red"), ("item-00000", 5, "blue"), ("nobody", 0, "red")]
    vectors = collection.captions.to_table(columns=["vector"])["vector"].combine_chunks().take([0] * len(stray))
    table = pa.table(
        {
            "item_id": [item for item, _, _ in stray],
            "position": pa.array([at for _, at, _ in stray], pa.int32()),
            "text": [text for _, _, text in stray],
            "vector": vectors,
        },
        schema=collection.captions.schema,
    )
    lance.write_dataset(table, collection.captions, mode="append")

    latest = collection.latest()
    assert 0 == len(search_texts(latest, "red", 10))
    assert [0] == search_texts(latest, "blue", 10).rows.tolist()
    assert 1 == len(search_captions(latest, "blue", 10))


def test_columns_of_items_are_searched_too(tmp_path: Path) -> None:
    """A string column with an index is searched beside the captions; the best of the columns counts."""
    collection = collection_of(tmp_path)
    collection.items.add_columns({"title": "id"})
    ensure_text_index(collection.items, "title")
    latest = collection.latest()

    named = search_texts(latest, "item", 3, columns=["title"])
    both = search_texts(latest, "00002 star", 10, columns=["captions", "title"])
    captions = as_scores(search_texts(latest, "00002 star", 10))
    titles = as_scores(search_texts(latest, "00002 star", 10, columns=["title"]))

    assert [0, 1, 2] == named.rows.tolist()
    assert {0, 1, 2} == set(both.rows.tolist())
    assert titles.keys() | captions.keys() == as_scores(both).keys()
    for row, score in zip(both.rows.tolist(), both.scores.tolist(), strict=True):
        assert score in (captions.get(row), titles.get(row))
    allowed = np.array([1, 4])
    assert [1, 4] == search_texts(latest, "item", 3, columns=["title"], allowed=allowed).rows.tolist()


def test_no_column_is_no_answer(corpus: Collection) -> None:
    """A search in no column finds nothing; an empty collection likewise."""
    assert 0 == len(search_texts(corpus, "red", 10, columns=[]))


def test_an_empty_collection_is_searched(tmp_path: Path) -> None:
    """It has an index, and nothing in it."""
    assert 0 == len(search_texts(collection_of(tmp_path, []), "red", 10))


def test_a_column_without_an_index_is_refused(corpus: Collection, tmp_path: Path) -> None:
    """The error names the column and what to do, for captions of an older collection and for columns alike."""
    with pytest.raises(
        TextIndexMissing, match="'uri' of collection 'test' cannot be searched by words yet: run `vilem index publish"
    ):
        search_texts(corpus, "red", 10, columns=["uri"])
    with pytest.raises(TextIndexMissing, match="'captions'"):
        search_texts(empty_collection(tmp_path), "", 10)
