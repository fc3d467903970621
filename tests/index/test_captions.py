"""index.captions: each text once, in batches of like length."""

from pathlib import Path

import numpy as np

from index.captions import CaptionStage
from index.schema import Record
from tests.index.support import CountingBundle, collection_for, counting


def _record(name: str, *captions: str) -> Record:
    return Record(name, "file:///x", "ab", 1, 1, captions)


def _stage(bundle: CountingBundle, root: Path, batch: int = 4) -> CaptionStage:
    return CaptionStage(collection_for(bundle, root), bundle, batch)


def test_every_caption_gets_its_own_vector(tmp_path: Path, tiny_bundle: Path) -> None:
    """Whatever the sorting, vectors stand beside the captions they belong to, and items keep their order."""
    bundle = counting(tiny_bundle)
    stage = _stage(bundle, tmp_path, batch=2)
    texts = ["red", "a photo of a blue dog", "green", "white cat on the left", "a dog"]
    stage.add(_record("a", *texts), np.zeros(16, np.float32))
    stage.add(_record("b"), np.ones(16, np.float32))
    stage.add(_record("c", texts[2]), np.ones(16, np.float32))
    first, second, third = stage.flush()
    assert ["a", "b", "c"] == [each.record.id for each in (first, second, third)]
    for text, vector in zip(texts, first.caption_vectors, strict=True):
        np.testing.assert_allclose(bundle.embed_texts([text]).vectors[0], vector, atol=1e-6)
    assert (0, 16) == second.caption_vectors.shape
    np.testing.assert_array_equal(first.caption_vectors[2:3], third.caption_vectors)


def test_a_text_is_embedded_once_in_a_flush(tmp_path: Path, tiny_bundle: Path) -> None:
    """A thousand photographs of one title cost one text."""
    bundle = counting(tiny_bundle)
    stage = _stage(bundle, tmp_path)
    for number in range(50):
        stage.add(_record(str(number), "red"), np.zeros(16, np.float32))
    assert 50 == len(stage) == len(stage.flush())
    assert (["red"], 1, 0) == (bundle.texts, stage.embedded, len(stage))


def test_batches_are_of_like_length(tmp_path: Path, tiny_bundle: Path) -> None:
    """Texts go through the model from the shortest to the longest."""
    bundle = counting(tiny_bundle)
    stage = _stage(bundle, tmp_path)
    rng = np.random.default_rng(0)
    for number in range(20):
        stage.add(_record(str(number), f"{number} " + "a " * int(rng.integers(0, 20))), np.zeros(16, np.float32))
    stage.flush()
    lengths = [len(text) for text in bundle.texts]
    assert sorted(lengths) == lengths


def test_it_is_full_when_there_is_enough_to_sort(tmp_path: Path, tiny_bundle: Path) -> None:
    """Eight batches of texts are gathered and no more."""
    stage = _stage(counting(tiny_bundle), tmp_path, batch=2)
    for number in range(15):
        stage.add(_record(str(number), "red"), np.zeros(16, np.float32))
    assert not stage.is_full()
    stage.add(_record("15", "red"), np.zeros(16, np.float32))
    assert stage.is_full()
    stage.flush()
    assert not stage.is_full()


def test_stored_vectors_are_taken(tmp_path: Path, tiny_bundle: Path) -> None:
    """A caption that the item has already is not embedded again, whatever else of the item changed."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    stage = CaptionStage(collection, bundle, 4)
    stage.add(_record("a", "red", "blue"), np.zeros(16, np.float32))
    first = stage.flush()
    collection.add(first)
    bundle.start_counting()
    again = CaptionStage(collection, bundle, 4)
    again.add(_record("a", "blue", "green"), np.zeros(16, np.float32))
    again.add(_record("b", "red"), np.zeros(16, np.float32))
    (mine, _) = again.flush()
    assert {"green", "red"} == set(bundle.texts)
    np.testing.assert_allclose(first[0].caption_vectors[1], mine.caption_vectors[0], atol=1e-3)


def test_texts_that_lost_their_end_are_counted(tmp_path: Path, tiny_bundle: Path) -> None:
    """A caption beyond the model's context is embedded and reported."""
    stage = _stage(counting(tiny_bundle), tmp_path)
    stage.add(_record("a", "red " * 100, "red"), np.zeros(16, np.float32))
    stage.flush()
    assert (2, 1) == (stage.embedded, stage.truncated)
