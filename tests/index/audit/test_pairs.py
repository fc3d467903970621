"""Pictures with their captions."""

from pathlib import Path

import numpy as np
import pytest

from index.audit import pairs as module
from index.audit.pairs import pairs_of
from index.collection import Collection
from index.neighbours import silent
from index.rows import Entry
from index.schema import Record
from tests.index.published import unit_vectors
from tests.index.support import empty_collection

DIM = 8


def _collection(root: Path, texts: list[list[str]], seed: int = 0) -> tuple[Collection, np.ndarray, np.ndarray]:
    """Items with those texts, their vectors (N, d) and all captions' (M, d)."""
    images, captions = unit_vectors(len(texts), DIM, seed), unit_vectors(sum(map(len, texts)), DIM, seed + 1)
    collection = empty_collection(root, dim=DIM)
    start = 0
    for number, own in enumerate(texts):
        record = Record(f"item-{number}", "file:///a", f"{number:064d}", 3, 4, tuple(own))
        collection.add([Entry(record, images[number], captions[start : start + len(own)])])
        start += len(own)
    return collection.latest(), images, captions


@pytest.mark.parametrize("batch", [2, 4096])
def test_each_caption_is_compared_with_its_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """The cosines are those of each caption's vector and its item's, in batches of any size."""
    monkeypatch.setattr(module, "_BATCH", batch)
    collection, images, captions = _collection(tmp_path, [["a", "b"], [], ["c"], ["d", "e", "f"]])

    found = pairs_of(collection, silent)

    owners = [0, 0, 2, 3, 3, 3]
    np.testing.assert_allclose((images[owners] * captions).sum(axis=1), found.cosines, atol=5e-3)
    assert owners == found.items.tolist()
    assert list("abcdef") == [row.text for row in collection.captions_at(found.captions.tolist()) if row]


def test_captions_that_do_not_count_are_left_out(tmp_path: Path) -> None:
    """What a killed writer left without an item, or with one that lists other texts, is no pair."""
    collection, images, captions = _collection(tmp_path, [["a"], ["b"]])
    stray = [Entry(Record("gone", "", "", 1, 1, ("x",)), images[0], captions[:1])]
    collection.add(stray)
    # as a kill between the two commits leaves it
    collection.items.delete("id = 'gone'")

    assert 2 == len(pairs_of(collection.latest(), silent))


def test_equal_texts_are_known_but_for_case_and_spaces(tmp_path: Path) -> None:
    """Two texts have one name if and only if they are the same without case and extra spaces."""
    collection, _, _ = _collection(tmp_path, [["A  dog"], ["a dog"], ["a dogs"]])

    texts = pairs_of(collection, silent).texts

    assert texts[0] == texts[1] != texts[2]


def test_the_lowest_of_two_kinds_are_wrong(tmp_path: Path) -> None:
    """Where the cosines are two heaps, those of the lower one are likely wrong, and of one heap none is."""
    collection, _, _ = _collection(tmp_path, [["a"]])
    one = pairs_of(collection, silent)
    rng = np.random.default_rng(0)
    right, wrong = rng.normal(0.6, 0.04, 380), rng.normal(0.1, 0.05, 20)

    both = type(one)(*([np.zeros(400, np.int64)] * 2), np.concatenate([right, wrong]).astype(np.float32), one.texts)
    alone = type(one)(*([np.zeros(380, np.int64)] * 2), right.astype(np.float32), one.texts)

    assert both.wrong()[380:].min() > 0.9
    assert both.wrong()[:380].max() < 0.1
    assert not alone.wrong().any()


def test_no_captions_are_no_pairs(tmp_path: Path) -> None:
    """A collection of pictures alone has nothing to compare."""
    collection, _, _ = _collection(tmp_path, [[], []])

    assert 0 == len(pairs_of(collection, silent))
