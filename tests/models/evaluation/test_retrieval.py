"""Retrieval metrics against matrices made by hand and against a slow definition."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.retrieval import Retrieval, evaluate, image_to_text_ranks, recall, text_to_image_ranks
from tests.models.evaluation.made import pools

# With images = identity, a text's vector is its row of scores.
SCORES = np.array(
    [
        [0.9, 0.1, 0.2],  # of image 0: first
        [0.4, 0.5, 0.3],  # of image 0: second
        [0.1, 0.8, 0.2],  # of image 1: first
        [0.7, 0.6, 0.9],  # of image 1: last
        [0.2, 0.1, 0.3],  # of image 2: first
    ],
    np.float32,
)
OWNERS = np.array([0, 0, 1, 1, 2])
IMAGES = np.eye(3, dtype=np.float32)


def test_a_caption_is_ranked_by_the_images_that_beat_its_own() -> None:
    """The rank of a caption's image is one more than the number of images that score higher."""
    assert [1, 2, 1, 3, 1] == text_to_image_ranks(IMAGES, SCORES, OWNERS).tolist()


def test_an_image_is_ranked_by_its_best_caption() -> None:
    """The rank of an image counts the captions of other images that score above the best of its own."""
    # image 0: own best 0.9; image 1: own best 0.8; image 2: own 0.3, beaten by 0.9 and tied with 0.3
    assert [1, 1, 3] == image_to_text_ranks(IMAGES, SCORES, OWNERS).tolist()


def test_recall_is_the_share_of_ranks_within_k() -> None:
    """Recall at K counts ranks up to and including K."""
    ranks = np.array([1, 2, 5, 6])

    assert [0.25, 0.75, 1.0] == [recall(ranks, k) for k in (1, 5, 10)]


def test_both_directions_in_one_value() -> None:
    """Evaluate gives the recalls and median ranks of the two directions, and their sum in points."""
    found = evaluate(IMAGES, SCORES, OWNERS, ks=(1, 2))

    assert Retrieval({1: 0.6, 2: 0.8}, {1: pytest.approx(2 / 3), 2: pytest.approx(2 / 3)}, 1.0, 1.0) == found
    assert pytest.approx(100 * (0.6 + 0.8 + 4 / 3)) == found.rsum


def test_a_collapsed_encoder_finds_nothing() -> None:
    """When every pair scores the same, every rank is the last one: ties never help the model."""
    same = np.ones((4, 2), np.float32)

    assert [4, 4, 4, 4] == text_to_image_ranks(same, same, np.arange(4)).tolist()
    assert [4, 4, 4, 4] == image_to_text_ranks(same, same, np.arange(4)).tolist()


@pytest.mark.parametrize(("count", "dim"), [(1025, 512), (35, 256), (7, 768)])
def test_rounding_helps_no_collapsed_encoder(count: int, dim: int) -> None:
    """Products of equal vectors differ in their last bits with the block that they are computed in: they are ties all the same."""
    one = np.random.default_rng(0).standard_normal((2, dim)).astype(np.float32)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    images, texts = (np.repeat(each[None], count, 0) for each in one)

    assert {count} == set(text_to_image_ranks(images, texts, np.arange(count)).tolist())
    assert {count} == set(image_to_text_ranks(images, texts, np.arange(count)).tolist())


@pytest.mark.parametrize("broken", ["images", "texts", "both"])
def test_a_diverged_encoder_finds_nothing(broken: str) -> None:
    """NaN compares as false with everything: it must not pass for a rank of 0 or 1, but comes last."""
    nothing, some = np.full((4, 2), np.nan, np.float32), np.ones((4, 2), np.float32)
    images, texts = (nothing if broken in (name, "both") else some for name in ("images", "texts"))

    assert [4, 4, 4, 4] == text_to_image_ranks(images, texts, np.arange(4)).tolist()
    assert [4, 4, 4, 4] == image_to_text_ranks(images, texts, np.arange(4)).tolist()


def test_one_broken_vector_harms_itself_and_helps_nobody() -> None:
    """An image whose vector is NaN is last for its own caption, and stands before every other's."""
    images, texts = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    images[1] = np.nan

    assert [2, 3, 2] == text_to_image_ranks(images, texts, np.arange(3)).tolist()
    assert [1, 3, 1] == image_to_text_ranks(images, texts, np.arange(3)).tolist()


def test_ties_among_an_images_own_captions_cost_nothing() -> None:
    """Captions of the same image do not compete with each other."""
    texts = np.array([[1, 0], [1, 0], [0, 1]], np.float32)

    assert [1, 1] == image_to_text_ranks(np.eye(2, dtype=np.float32), texts, np.array([0, 0, 1])).tolist()


def test_an_image_without_caption_is_an_error() -> None:
    """An image that no caption belongs to has no rank, and the message names it."""
    with pytest.raises(ValueError, match="image 1 has no caption"):
        image_to_text_ranks(IMAGES[:2], SCORES[:1], OWNERS[:1])


@given(pools())
@settings(max_examples=80, deadline=None)
def test_ranks_equal_the_slow_definition(pool: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Ranks equal a count over every single pair, whatever the ties and however the captions lie."""
    images, texts, owners = pool
    scores = texts @ images.T

    forward = [
        sum(row[other] >= row[own] for other in range(len(images))) for row, own in zip(scores, owners, strict=True)
    ]
    backward = [
        1 + sum(scores[text, image] >= max(scores[owners == image, image]) for text in np.flatnonzero(owners != image))
        for image in range(len(images))
    ]

    assert forward == text_to_image_ranks(images, texts, owners).tolist()
    assert backward == image_to_text_ranks(images, texts, owners).tolist()


@given(pools(), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_chunks_change_nothing(pool: tuple[np.ndarray, np.ndarray, np.ndarray], chunk: int) -> None:
    """The size of a chunk bounds memory and is not seen in the ranks."""
    assert np.array_equal(text_to_image_ranks(*pool), text_to_image_ranks(*pool, chunk=chunk))
    assert np.array_equal(image_to_text_ranks(*pool), image_to_text_ranks(*pool, chunk=chunk))


@given(pools(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_captions_does_not_matter(pool: tuple[np.ndarray, np.ndarray, np.ndarray], random: Random) -> None:
    """Shuffling captions with their owners permutes their ranks and leaves the recalls alone."""
    images, texts, owners = pool
    order = list(range(len(texts)))
    random.shuffle(order)

    assert evaluate(images, texts, owners) == evaluate(images, texts[order], owners[order])


@given(pools())
@settings(max_examples=40, deadline=None)
def test_recall_grows_with_k(pool: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Recall never falls as K rises, and is 1 once K reaches the pool."""
    found = evaluate(*pool, ks=(1, 2, 3, 20))

    for recalls in (found.text_to_image, found.image_to_text):
        assert sorted(recalls.values()) == list(recalls.values())
        assert 1.0 == recalls[20]
