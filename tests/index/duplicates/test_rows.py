"""Items as places."""

import numpy as np
import pytest

from index.duplicates.rows import Places, digests_of
from tests.index.published import entries, unit_vectors
from tests.index.support import empty_collection


def test_copies_are_known_by_their_bytes(tmp_path: object) -> None:
    """Items with the same SHA-256 have one first place; those without a picture are copies of nothing."""
    collection = empty_collection(tmp_path, dim=8)  # pyright: ignore[reportArgumentType]
    sums = ["a" * 64, "b" * 64, "a" * 64, "", ""]
    made = entries(unit_vectors(5), captions=0)
    for entry, digest in zip(made, sums, strict=True):
        object.__setattr__(entry.record, "sha256", digest)
    collection.add(made)

    places = Places.of(collection.latest())

    assert [0, 1, 0, 3, 4] == places.first.tolist()
    assert [0, 1, 3, 4] == places.distinct().tolist()
    assert [12] * 5 == places.pixels.tolist()


def test_places_follow_the_row_ids(tmp_path: object) -> None:
    """After items were replaced, which moves them in storage, places are in the order of row ids and found by them."""
    collection = empty_collection(tmp_path, dim=8)  # pyright: ignore[reportArgumentType]
    collection.add(entries(unit_vectors(6), captions=0))
    collection.add(entries(unit_vectors(2, seed=1), captions=0, first=1))

    places = Places.of(collection.latest())

    assert (np.diff(places.rows) > 0).all()
    assert 6 == len(places)
    assert [4, 0] == places.at(places.rows[[4, 0]]).tolist()


@pytest.mark.parametrize("sums", [[], ["0f" * 32], ["0f" * 32, "", "f0" * 32]])
def test_a_digest_is_the_first_half_of_the_sum(sums: list[str]) -> None:
    """16 bytes of each sum, whether some are missing or not; what is missing is empty."""
    assert [bytes.fromhex(each[:32]) for each in sums] == digests_of(sums).tolist()
