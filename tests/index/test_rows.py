"""index.rows: records to Arrow tables and back."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.rows import (
    CaptionRow,
    Entry,
    caption_rows,
    captions_table,
    items_table,
    records_of,
    rejects_table,
    vector_column,
    vectors_of,
)
from index.schema import Record, Reject
from tests.index.support import DIM, entry
from tests.index.test_schema import JSON

RECORDS = st.builds(
    Record,
    id=st.text(),
    uri=st.text(),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    width=st.integers(1, 2**31 - 1),
    height=st.integers(1, 2**31 - 1),
    captions=st.lists(st.text(), max_size=4).map(tuple),
    metadata=st.dictionaries(st.text(), JSON, max_size=4),
)


@settings(max_examples=50)
@given(st.lists(RECORDS, max_size=4))
def test_records_come_back_equal(records: list[Record]) -> None:
    """A record that goes through an Arrow table is the same record."""
    entries = [Entry(record, np.zeros(DIM), np.zeros((len(record.captions), DIM))) for record in records]
    assert records == records_of(items_table(entries, DIM))


def test_patches_are_a_column_where_there_is_one() -> None:
    """With the column each row has its patches or null; without it they are not written."""
    entries = [replace(entry(1), patches=b"\x00\xff"), entry(2)]
    assert [b"\x00\xff", None] == items_table(entries, DIM, patches=True)["patches"].to_pylist()
    assert "patches" not in items_table(entries, DIM).schema.names


def test_each_caption_is_a_row_with_its_vector() -> None:
    """The captions of all entries follow each other, numbered within their item."""
    table = captions_table([entry(1, ["a", "b"]), entry(2, []), entry(3, ["a"])], {}, DIM)
    assert [("item-00001", 0, "a"), ("item-00001", 1, "b"), ("item-00003", 0, "a")] == [
        (row["item_id"], row["position"], row["text"]) for row in table.to_pylist()
    ]
    expected = np.concatenate([entry(1, ["a", "b"]).caption_vectors, entry(3, ["a"]).caption_vectors])
    np.testing.assert_array_equal(expected.astype(np.float16), vectors_of(table["vector"], DIM))


def test_captions_that_are_stored_are_left_out() -> None:
    """A caption row among those kept is not written a second time."""
    kept = {CaptionRow("item-00001", 0, "a"): 17}
    assert ["b"] == captions_table([entry(1, ["a", "b"])], kept, DIM)["text"].to_pylist()


def test_the_place_of_a_caption_is_part_of_it() -> None:
    """The same text at another position is another row."""
    first, second = caption_rows(entry(1, ["a", "a"]).record)
    assert first != second


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_vectors_that_are_not_numbers_are_refused(bad: float) -> None:
    """NaN, infinity and what float16 cannot hold never reach a collection."""
    vector = np.zeros(DIM, np.float32)
    vector[1] = bad
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="finite"):
        vector_column([vector], DIM)


def test_vectors_of_another_dimension_are_refused() -> None:
    """A vector of d' numbers does not fit into a collection of d."""
    with pytest.raises(ValueError, match=f"d={DIM}"):
        vector_column([np.zeros(DIM + 1)], DIM)


def test_half_precision_keeps_unit_vectors() -> None:
    """A unit vector that was stored has a cosine of more than 0.9999 to itself."""
    vectors = np.random.default_rng(0).normal(size=(50, 512))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    stored = vectors_of(vector_column(list(vectors), 512), 512)
    assert ((stored * vectors).sum(1) > 0.9999).all()


def test_rejects_keep_their_fields() -> None:
    """Every field of a reject is a column."""
    rejects = [Reject("a", "file:///a", "too-large", "the image is too large", "2026-01-01T00:00:00+00:00")]
    assert rejects == [Reject(**row) for row in rejects_table(rejects).to_pylist()]
