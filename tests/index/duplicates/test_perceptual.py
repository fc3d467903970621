"""Perceptual hashes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy.fft import dctn

from index.duplicates.perceptual import BITS, MAX_DISTANCE, distance, hash_of, near_pairs, perceptual_hash
from models.errors import ImageUnreadable
from tests.index.duplicates.made import scenes
from tests.support.images import encoded


def test_the_bits_are_those_of_the_cosine_transform() -> None:
    """Each bit says whether a low frequency, of scipy's transform too, is above the median of the 64 lowest."""
    image = scenes(1)[0]
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    low = dctn(grey, norm=None)[:8, :8]
    expected = (low > np.median(low)).ravel()

    value = hash_of(image)

    assert value is not None
    assert expected.tolist() == [bool(value >> (63 - bit) & 1) for bit in range(BITS)]


def test_what_copies_go_through_leaves_it_nearly_the_same() -> None:
    """Recompressed, scaled and recoloured a picture keeps all but a few bits; other pictures differ in many more."""
    pictures = scenes(6, 128)
    kept, others = [], []
    for number, image in enumerate(pictures):
        own = hash_of(image)
        half = image.resize((64, 64), Image.Resampling.LANCZOS)
        changed = [
            encoded(image, "JPEG", quality=70),
            encoded(half),
            encoded(ImageEnhance.Brightness(image).enhance(1.1)),
        ]
        kept += [distance(own or 0, perceptual_hash(data) or 0) for data in changed]
        others.append(distance(own or 0, hash_of(pictures[number - 1]) or 0))

    assert np.median(kept) <= 2
    assert max(kept) < np.median(others)


@given(st.integers(0, 255), st.integers(0, 1000))
@settings(max_examples=20)
def test_plain_pictures_have_none(level: int, seed: int) -> None:
    """A picture of one shade, with a little noise or none, has no hash: its bits would be the noise's."""
    noise = np.random.default_rng(seed).integers(-1, 2, (64, 64))

    assert hash_of(Image.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8))) is None


def test_a_damaged_file_is_an_error() -> None:
    """What does not decode has no hash and says so."""
    with pytest.raises(ImageUnreadable):
        perceptual_hash(b"no picture")


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=12), st.integers(0, MAX_DISTANCE), st.randoms())
@settings(max_examples=30)
def test_near_pairs_are_all_that_comparing_each_with_each_finds(
    values: list[int], at_most: int, random: object
) -> None:
    """Within 7 bits the search is complete, and finds nothing beyond the number asked for."""
    grown = set(values)
    for value in values:
        flips = random.sample(range(BITS), random.randint(1, 9))  # pyright: ignore[reportAttributeAccessIssue]
        grown.add(_flipped(value, flips))
    hashes = np.array(sorted(grown), np.int64)
    expected = {
        (one, other)
        for one in range(len(hashes))
        for other in range(one + 1, len(hashes))
        if distance(int(hashes[one]), int(hashes[other])) <= at_most
    }

    found = [tuple(pair) for pairs in near_pairs(hashes, at_most) for pair in pairs.tolist()]

    assert sorted(expected) == sorted(found)


def _flipped(value: int, bits: list[int]) -> int:
    turned = (value & (2**BITS - 1)) ^ sum(1 << bit for bit in bits)
    return turned - 2**BITS if turned >= 2 ** (BITS - 1) else turned


@pytest.mark.parametrize("at_most", [-1, MAX_DISTANCE + 1])
def test_beyond_seven_bits_is_refused(at_most: int) -> None:
    """A search that would miss pairs is not made."""
    with pytest.raises(ValueError, match="0 to 7 bits"):
        list(near_pairs(np.zeros(1, np.int64), at_most))
