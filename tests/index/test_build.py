"""From a collection's vectors to index files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.build import build_parts, sample
from tests.index.published import filled, unit_vectors
from tests.index.support import empty_collection


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(1, 30))
def test_a_sample_is_spread_evenly(sizes: list[int], size: int) -> None:
    """A sample has at most the wanted size, at least half of it where there is enough, first vector first."""
    rows = np.arange(sum(sizes), dtype=np.float32)[:, None]
    batches = np.split(rows, np.cumsum(sizes)[:-1]) if sizes else []

    found = sample([(np.arange(len(batch)), batch) for batch in batches], size)

    assert len(found) <= size
    assert len(found) >= min(len(rows), size // 3)
    if len(rows):
        assert 0 == found[0, 0]
        steps = np.diff(found[:, 0])
        assert (steps == steps[0]).all() if len(steps) else True


def test_parts_describe_what_was_built(tmp_path: Path) -> None:
    """Rows, kind and recall of images and captions are told, and the files are where the parts say."""
    collection = filled(tmp_path, unit_vectors(30), captions=2)

    images, texts = build_parts(collection, tmp_path, target_recall=0.95)

    assert texts is not None
    assert (30, 60) == (images.rows, texts.rows)
    for part in (images, texts):
        assert ("Flat", 1.0) == (part.factory, part.recall_at_10)
        assert (tmp_path / part.index_file).stat().st_size > 0
        assert (part.rows,) == np.load(tmp_path / part.rowids_file).shape


def test_without_captions_there_is_one_part(tmp_path: Path) -> None:
    """A collection without captions has no index over them."""
    assert build_parts(filled(tmp_path, unit_vectors(5), captions=0), tmp_path, target_recall=0.95)[1] is None


@pytest.mark.parametrize("captions", [0, 1])
def test_an_empty_collection_is_built(captions: int, tmp_path: Path) -> None:
    """No rows give an index of no rows."""
    del captions
    images, texts = build_parts(empty_collection(tmp_path), tmp_path, target_recall=0.95)

    assert 0 == images.rows
    assert texts is None
