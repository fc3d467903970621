"""The new generation beside the old one."""

from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.publish import publish_held
from index.reindex.compare import (
    Generation,
    lost_pictures,
    neighbours,
    open_published,
    sampled_ids,
    text_to_image,
)
from models.bundle import Bundle
from models.decode import DecodeLimits
from tests.index.published import entries, filled, unit_vectors
from tests.index.reindex.support import make_home, make_models, opened

ROWS = 60
LIMITS = DecodeLimits()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Generation:
    """Sixty items, each with a caption of its very vector."""
    return generation(tmp_path_factory.mktemp("old"), unit_vectors(ROWS))


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with pictures that are there."""
    home = tmp_path_factory.mktemp("home")
    return make_home(home, make_models(home / "models"))


def generation(root: Path, vectors: np.ndarray, captions: np.ndarray | None = None) -> Generation:
    """Those items, published; *captions*: vectors of the captions, the items' own by default."""
    collection = filled(root, vectors[:1])
    rows = entries(vectors)
    if captions is not None:
        rows = [type(row)(row.record, row.vector, vector[None]) for row, vector in zip(rows, captions, strict=True)]
    collection.add(rows)
    publish_held(collection, target_recall=0.9)
    return Generation.open(collection.latest())


def test_a_generation_is_alike_itself(old: Generation) -> None:
    """Beside itself a generation names the same neighbours, and finds as many pictures by their captions."""
    found = neighbours(old, old)
    captions, retrieval = text_to_image(old, old)

    assert (1.0, ROWS) == (found.overlap, found.items)
    assert ROWS == captions
    assert [(1, 100.0, 100.0, 0.0), (5, 100.0, 100.0, 0.0), (10, 100.0, 100.0, 0.0)] == [
        (each.k, each.old, each.new, each.error) for each in retrieval
    ]


def test_turned_vectors_are_alike(old: Generation, tmp_path: Path) -> None:
    """What counts is the ranking: in other coordinates, of another dimension, nothing is lost."""
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 8)))
    turned = generation(tmp_path, (unit_vectors(ROWS) @ turn.T).astype(np.float32))

    overlap = neighbours(old, turned).overlap

    assert overlap is not None
    assert overlap > 0.98


def test_a_model_that_knows_nothing_is_told(old: Generation, tmp_path: Path) -> None:
    """Vectors that have nothing to do with the old ones overlap by chance; captions that find nothing lose every point."""
    other = generation(tmp_path, unit_vectors(ROWS, seed=5), unit_vectors(ROWS, seed=6))

    overlap = neighbours(old, other).overlap
    _, retrieval = text_to_image(old, other)

    assert overlap is not None
    assert overlap < 0.4
    assert retrieval[0].is_worse(50)
    assert retrieval[0].loss > retrieval[2].loss


def test_only_what_both_hold_is_compared(old: Generation, tmp_path: Path) -> None:
    """Items and captions of one side alone are no part of the comparison."""
    half = generation(tmp_path, unit_vectors(ROWS)[: ROWS // 2])

    assert ROWS // 2 == neighbours(old, half).items
    assert ROWS // 2 == text_to_image(old, half)[0]


def test_nothing_to_compare(tmp_path: Path) -> None:
    """One item has no neighbours, items without captions are not searched for, and what was not published cannot be."""
    collection = filled(tmp_path, unit_vectors(1), captions=0)
    assert open_published(collection) is None
    publish_held(collection, target_recall=0.9)

    single = open_published(collection.latest())

    assert single is not None
    assert (None, 0) == (neighbours(single, single).overlap, neighbours(single, single).items)
    assert (0, []) == text_to_image(single, single)


def test_what_was_written_since_is_compared_too(tmp_path: Path) -> None:
    """A generation is searched as it would be served: its index, and the rows written since."""
    collection = filled(tmp_path, unit_vectors(10))
    publish_held(collection, target_recall=0.9)
    collection.add(entries(unit_vectors(11)[10:], first=10))
    collection.delete(["item-00000"])

    now = Generation.open(collection)

    assert ["item-00010"] == [hit for hit, _ in now.found(unit_vectors(11)[10:], 1)[0]]
    assert "item-00000" not in {hit for hit, _ in now.found(unit_vectors(1), 20)[0]}


def test_samples_are_spread(tmp_path: Path) -> None:
    """A sample begins with the first item and ends with the last; a small collection is all of it."""
    collection = filled(tmp_path, unit_vectors(20))

    assert ["item-00000", "item-00019"] == sampled_ids(collection, 2)
    assert 20 == len(set(sampled_ids(collection, 100)))
    assert [] == sampled_ids(Collection.create(tmp_path, "none", dim=8, bundle_digest="0", bundle_name="n"), 5)


def test_pictures_find_themselves(colours: Path) -> None:
    """Embedded anew by its own model every picture finds its row; by another model of that dimension none does."""
    served = Generation.open(opened(colours))
    own = Bundle.open(colours / "bundles" / "old")
    assert (16, []) == lost_pictures(served, own, LIMITS)

    class Wrong(Bundle):
        def embed_images(self, pixels: np.ndarray) -> np.ndarray:
            return np.roll(super().embed_images(pixels), 1, axis=1)

    read, lost = lost_pictures(served, Wrong.open(colours / "bundles" / "old"), LIMITS)
    assert (16, 16) == (read, len(lost))


def test_pictures_that_are_others_by_now_are_left_out(tmp_path: Path) -> None:
    """A file that was replaced, and one that is gone, say nothing of the vectors."""
    home = make_home(tmp_path, make_models(tmp_path / "models"), shades=1)
    (home / "pictures" / "red-0.png").write_bytes((home / "pictures" / "blue-0.png").read_bytes())
    (home / "pictures" / "green-0.png").unlink()

    assert (6, []) == lost_pictures(Generation.open(opened(home)), Bundle.open(home / "bundles" / "old"), LIMITS)
