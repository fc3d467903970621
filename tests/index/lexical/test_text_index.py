"""Laws of full-text indexes over captions and columns of items, on real datasets."""

from pathlib import Path

import lance
import pyarrow as pa
import pytest

from index.errors import TextColumnInvalid
from index.lexical.text_index import ensure_text_index, has_text_index, text_index, update_text_index
from index.lexical.words import TextAnalysis
from tests.index.support import empty_collection

SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("title", pa.string())])


def dataset_of(folder: Path, titles: list[str | None]) -> lance.LanceDataset:
    """Rows `0`, `1` … with those titles."""
    return lance.write_dataset(_rows(titles), folder / "rows.lance", schema=SCHEMA, enable_stable_row_ids=True)


def append(dataset: lance.LanceDataset, titles: list[str | None]) -> lance.LanceDataset:
    """The dataset with more rows."""
    return lance.write_dataset(_rows(titles, dataset.count_rows()), dataset, mode="append")


def retitle(dataset: lance.LanceDataset, row: str, title: str) -> None:
    """Write a row anew, in place."""
    table = pa.table({"id": [row], "title": [title]}, schema=SCHEMA)
    dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(table)


def found(dataset: lance.LanceDataset, word: str) -> list[str]:
    """Ids of the rows whose title has the word, as often as Lance finds them."""
    query = lance.query.MatchQuery(word, "title")
    return sorted(dataset.to_table(columns=["id", "_score"], full_text_query=query)["id"].to_pylist())


def _rows(titles: list[str | None], first: int = 0) -> pa.Table:
    return pa.table({"id": [str(first + at) for at in range(len(titles))], "title": titles}, schema=SCHEMA)


def test_an_index_is_made_once(tmp_path: Path) -> None:
    """The first call makes it, the second finds it, another analysis makes it anew, none keeps what is there."""
    dataset = dataset_of(tmp_path, ["Red circles", None])
    assert not has_text_index(dataset, "title")
    assert text_index(dataset, "title") is None

    assert ensure_text_index(dataset, "title")
    assert not ensure_text_index(dataset, "title")
    assert not ensure_text_index(dataset, "title", TextAnalysis("English"))
    assert ["0"] == found(dataset, "circle")

    assert ensure_text_index(dataset, "title", TextAnalysis(None))
    assert not ensure_text_index(dataset, "title")
    assert [] == found(dataset, "circle")
    made = text_index(dataset, "title")
    assert made is not None
    assert (TextAnalysis(None), 0) == (made.analysis, made.unindexed_rows)


def test_a_dataset_without_rows_gets_one_too(tmp_path: Path) -> None:
    """What is written after it was made over nothing is found at once, cut as the index says."""
    dataset = dataset_of(tmp_path, [])
    assert ensure_text_index(dataset, "title")

    dataset = append(dataset, ["RED circles", "blue star"])
    assert ["0"] == found(dataset, "circle")
    behind = text_index(dataset, "title")
    assert behind is not None
    assert (True, TextAnalysis()) == (behind.behind, behind.analysis)
    update_text_index(dataset, "title", rewritten=True)

    there = text_index(dataset, "title")
    assert there is not None
    assert (2, 0, False) == (sum(there.segments), there.unindexed_rows, there.behind)
    assert ["0"] == found(dataset, "circle")


def test_only_columns_of_texts_are_indexed(tmp_path: Path) -> None:
    """A column that is not there, or holds no strings, is refused with the ones that could be."""
    items = empty_collection(tmp_path).items

    for column in ("nothing", "width", "captions", "vector"):
        with pytest.raises(TextColumnInvalid, match=f"'{column}' is no column of texts: choose among id, uri"):
            ensure_text_index(items, column)


def test_small_segments_grow_into_few(tmp_path: Path) -> None:
    """Captions are only added: each update reads the new ones, and there are never more than a few segments."""
    dataset = dataset_of(tmp_path, ["red"] * 24)
    ensure_text_index(dataset, "title")
    most, merged = 0, set[int]()

    for _ in range(7):
        dataset = append(dataset, ["red", "blue"])
        update_text_index(dataset, "title", rewritten=False)
        there = text_index(dataset, "title")
        assert there is not None
        assert dataset.count_rows() == sum(there.segments)
        assert 0 == there.unindexed_rows
        most, merged = max(most, len(there.segments)), merged | {there.segments[0]}

    assert 2 <= most <= 4
    assert 24 in merged
    assert 31 == len(found(dataset, "red"))


def test_rewritten_rows_lose_their_old_texts(tmp_path: Path) -> None:
    """A row that was changed in place is found by its new text alone: before the update, after it, compacted, and again."""
    dataset = dataset_of(tmp_path, ["red", "red", "blue"])
    ensure_text_index(dataset, "title")

    for title, red in (("green", ["1"]), ("red", ["0", "1"]), ("green", ["1"])):
        retitle(dataset, "0", title)
        assert red == found(dataset, "red")
        update_text_index(dataset, "title", rewritten=True)
        assert red == found(dataset, "red")
        dataset.optimize.compact_files()
        assert red == found(lance.dataset(dataset.uri), "red")


def test_segments_of_their_own_would_bring_old_texts_back(tmp_path: Path) -> None:
    """The reason for merging where rows change: when this fails, Lance was mended, and segments may grow there too."""
    dataset = dataset_of(tmp_path, ["red"] * 9)
    ensure_text_index(dataset, "title")

    retitle(dataset, "0", "green")
    update_text_index(dataset, "title", rewritten=False)

    assert "0" in found(dataset, "red")


def test_updating_what_is_not_there_does_nothing(tmp_path: Path) -> None:
    """Without an index, or without new rows, no version is made."""
    dataset = dataset_of(tmp_path, ["red"])
    before = dataset.version
    update_text_index(dataset, "title", rewritten=False)
    assert before == dataset.latest_version

    ensure_text_index(dataset, "title")
    before = dataset.version
    update_text_index(dataset, "title", rewritten=False)
    assert before == dataset.latest_version


def test_without_an_index_case_would_matter(tmp_path: Path) -> None:
    """The reason that small collections have one: Lance compares words as they are written where there is none."""
    assert [] == found(dataset_of(tmp_path, ["Circle"]), "circle")
