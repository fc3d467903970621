"""Some items with what is said of them."""

from pathlib import Path

import numpy as np
import pytest

from index.captioned import captioned
from index.collection import Collection
from index.rows import Entry
from index.schema import Record

DIM = 8
ALL = 30


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Thirty items, of which every third has no captions; item n's vector has its n in it."""
    root = tmp_path_factory.mktemp("root")
    made = Collection.create(root, "things", dim=DIM, bundle_digest="d" * 64, bundle_name="tiny")
    entries: list[Entry] = []
    for number in range(ALL):
        captions = () if number % 3 == 0 else (f"number {number}", "a number")
        record = Record(id=f"item-{number}", uri="file:///x", sha256="0" * 64, width=1, height=1, captions=captions)
        entries.append(Entry(record, vector_of(number), np.zeros((len(captions), DIM), np.float32)))
    made.add(entries)
    return made.latest()


def vector_of(number: int) -> np.ndarray:
    """The unit vector of an item."""
    vector = np.random.default_rng(number).normal(size=DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("most", [1, 5, 20, 500])
def test_items_with_captions_are_drawn(collection: Collection, most: int) -> None:
    """As many as are wanted or there, none twice, each with its own vector and all of its captions."""
    vectors, captions = captioned(collection, most)

    assert min(most, 20) == len(vectors) == len(captions) == len({*captions})
    for vector, said in zip(vectors, captions, strict=True):
        number = int(said[0].split()[1])
        assert (f"number {number}", "a number") == said
        assert vector @ vector_of(number) == pytest.approx(1, abs=1e-3)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_seed_decides_which(collection: Collection) -> None:
    """Equal seeds draw the same items, others draw others: not the first that were stored."""
    first, again, other = (captioned(collection, 6, seed)[1] for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_a_collection_without_captions_has_none(tmp_path: Path) -> None:
    """Nothing is drawn, and it is no error."""
    empty = Collection.create(tmp_path, "none", dim=DIM, bundle_digest="d" * 64, bundle_name="tiny")

    vectors, captions = captioned(empty, 10)

    assert ((0, DIM), []) == (vectors.shape, captions)
