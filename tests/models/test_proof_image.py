"""What is kept of an image: small, exact where it must be, and never read when it is damaged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.errors import BundleInvalid, StoredImageInvalid
from models.proof_image import StoredImage, stored_size


def make_image(patches: int = 6, channels: int = 8, dim: int = 4, seed: int = 0) -> StoredImage:
    """Random patches and a unit vector."""
    rng = np.random.default_rng(seed)
    vector = rng.normal(size=dim).astype(np.float32)
    return StoredImage.of(rng.normal(size=(patches, channels)).astype(np.float32), vector / np.linalg.norm(vector))


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 9)), elements=st.floats(-1e4, 1e4, width=32))
)
def test_patches_are_kept_to_a_step_of_their_own(patches: np.ndarray) -> None:
    """Each value comes back within one of 127 steps of its patch's greatest, or of what half precision can tell from 0."""
    found = StoredImage.of(patches, np.ones(1, np.float32)).floats()

    greatest = np.abs(patches).max(axis=1, initial=0.0)
    # a scale below 6e-8 is rounded to 0, and scales near it to steps of that size
    assert (np.abs(found - patches) <= (greatest / 127 + 127 * 6e-8)[:, None]).all()


@given(st.integers(0, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_bytes_give_back_the_image(patches: int, channels: int, dim: int, seed: int) -> None:
    """Patches and scales come back as they were, the embedding in half precision; the size is told beforehand."""
    image = make_image(patches, channels, dim, seed)

    data = image.to_bytes()
    again = StoredImage.from_bytes(data)

    assert stored_size(patches, channels, dim) == len(data)
    assert (patches, channels, dim) == image.shape == again.shape
    assert np.array_equal(image.patches, again.patches)
    assert np.array_equal(image.scales, again.scales)
    assert np.array_equal(image.embedding.astype(np.float16), again.embedding)
    assert data == again.to_bytes()
    assert np.float32 == again.embedding.dtype


def test_a_default_module_s_image_is_small() -> None:
    """Three levels of 25, 25 and 16 patches in 128 channels, and 128 dimensions, are less than 10 KB."""
    assert stored_size(66, 128, 128) < 10_000


@pytest.mark.parametrize("cut", [0, 3, 8, 40, -1])
def test_cut_bytes_are_refused(cut: int) -> None:
    """A part of an image is no image, and the message says what to do."""
    with pytest.raises(StoredImageInvalid, match="embed the image again"):
        StoredImage.from_bytes(make_image().to_bytes()[:cut])


def test_longer_bytes_are_refused() -> None:
    """Neither is an image with something after it."""
    with pytest.raises(StoredImageInvalid, match=r"has \d+ bytes instead of \d+"):
        StoredImage.from_bytes(make_image().to_bytes() + b"\0")


def test_a_newer_version_is_refused() -> None:
    """Bytes of a version that this program does not know are not guessed at."""
    data = bytearray(make_image().to_bytes())
    data[0] += 1

    with pytest.raises(StoredImageInvalid, match="version 2, this ViLEM reads 1"):
        StoredImage.from_bytes(bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever the bytes, the answer is an image of finite numbers or the one error."""
    try:
        image = StoredImage.from_bytes(data)
    except StoredImageInvalid:
        return
    assert np.isfinite(image.floats()).all()
    assert len(data) == stored_size(*image.shape)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_values_that_cannot_be_kept_are_an_error(bad: float) -> None:
    """A model that diverged stores nothing."""
    patches, embedding = np.ones((2, 3), np.float32), np.ones(4, np.float32)
    worse = patches.copy()
    worse[1, 2] = bad

    with pytest.raises(BundleInvalid, match="not finite"):
        StoredImage.of(worse, embedding)


def test_an_embedding_that_is_not_finite_is_an_error() -> None:
    """The same of the embedding."""
    with pytest.raises(BundleInvalid, match="not finite"):
        StoredImage.of(np.ones((2, 3), np.float32), np.array([1, np.nan], np.float32))
