"""Every query's outcome."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from models.evaluation.embed import Embedded, EmbeddedEdits
from models.evaluation.outcomes import Pool, Ranked, Words, folded, grouped, retrieval_pool
from models.evaluation.retrieval import image_to_text_ranks, text_to_image_ranks
from tests.models.evaluation.made import pools

NO_EDITS = EmbeddedEdits(np.empty((0, 3)), np.empty(0, np.int64), np.empty(0, np.int64), [], [])


def _embedded(images: np.ndarray, texts: np.ndarray, owners: np.ndarray) -> Embedded:
    return Embedded(images, texts, owners, [()] * len(texts), NO_EDITS, 0, "")


@given(pools())
@settings(max_examples=60)
def test_a_pool_holds_the_ranks_of_both_directions(pool: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """The outcomes are the ranks of `retrieval`, and each query knows its image."""
    images, texts, owners = pool

    found = retrieval_pool(images, texts, owners)

    assert text_to_image_ranks(images, texts, owners).tolist() == found.tasks["t2i"].ranks
    assert image_to_text_ranks(images, texts, owners).tolist() == found.tasks["i2t"].ranks
    assert owners.tolist() == found.tasks["t2i"].images


@given(pools())
@settings(max_examples=60)
def test_pictures_without_captions_only_make_the_pool_larger(
    pool: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """More pictures never better a caption's rank, and leave image→text alone: they are never asked for."""
    images, texts, owners = pool
    more = np.concatenate([images, np.ones((4, 3), np.float32)])

    before, after = retrieval_pool(images, texts, owners), retrieval_pool(more, texts, owners)

    assert before.images == after.images
    assert before.tasks["i2t"] == after.tasks["i2t"]
    assert all(a <= b for a, b in zip(before.tasks["t2i"].ranks, after.tasks["t2i"].ranks, strict=True))


def test_pictures_without_captions_may_stand_anywhere() -> None:
    """A distractor between two captioned pictures changes the units' numbers, and nothing else."""
    images = np.eye(3, dtype=np.float32)
    texts = np.array([[1, 0, 0], [0, 0.5, 1]], np.float32)

    found = retrieval_pool(images, texts, np.array([0, 2]))

    assert 2 == found.images
    assert [0, 1] == found.tasks["t2i"].images
    assert ([1, 1], [1, 1]) == (found.tasks["t2i"].ranks, found.tasks["i2t"].ranks)


def test_labels_must_match_the_captions() -> None:
    """One tuple of labels for each caption, or an error that says both counts."""
    with pytest.raises(ValueError, match="1 labels for 3 captions"):
        retrieval_pool(np.eye(3), np.eye(3), np.arange(3), [("list",)])


def test_groups_are_the_rows_of_each_label() -> None:
    """Labels become sorted groups of positions; a row without labels is in none."""
    assert {"a": [0, 3], "b": [0, 1]} == grouped([("b", "a"), ("b",), (), ("a",)])


def test_folds_are_consecutive_and_complete() -> None:
    """Every image is in exactly one fold, with its captions, and ranks count that fold alone."""
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(10, 3)), rng.normal(size=(20, 3))
    owners = rng.permutation(np.repeat(np.arange(10), 2))

    parts = folded(_embedded(images, texts, owners), 5)

    assert [2] * 5 == [part.images for part in parts]
    assert 20 == sum(len(part.tasks["t2i"].ranks) for part in parts)
    assert max(rank for part in parts for rank in part.tasks["t2i"].ranks) <= 2


def test_one_pool_of_a_fold_is_that_folds_own_retrieval() -> None:
    """A fold's outcomes are what its images and captions give when nothing else is there."""
    rng = np.random.default_rng(1)
    images, texts, owners = rng.normal(size=(9, 3)), rng.normal(size=(18, 3)), np.repeat(np.arange(9), 2)

    parts = folded(_embedded(images, texts, owners), 3)

    assert retrieval_pool(images[3:6], texts[6:12], owners[6:12] - 3) == parts[1]


def test_folds_need_two_images_each() -> None:
    """A fold of one image would always be found."""
    with pytest.raises(ValueError, match="3 images cannot be cut into 2 folds"):
        folded(_embedded(np.eye(3), np.eye(3), np.arange(3)), 2)


def test_folds_need_captions_everywhere() -> None:
    """Nobody knows which fold a picture without captions belongs to."""
    with pytest.raises(ValueError, match="no captions cannot be cut"):
        folded(_embedded(np.eye(8), np.eye(8)[:6], np.arange(6)), 2)


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ({"ranks": [0], "images": [0]}, "greater than 0"),
        ({"ranks": [1, 2], "images": [0]}, "each of 2 queries"),
        ({"ranks": [1], "images": [5]}, "image below 2"),
        ({"ranks": [1], "images": [-1]}, "image below 2"),
        ({"ranks": [1], "images": [0], "groups": {"a": [1]}}, "beyond the 1"),
        ({"ranks": [1], "images": [0], "kinds": ["a"]}, "a kind is no group"),
        ({"ranks": [1], "images": [0], "more": 1}, "Extra inputs"),
    ],
)
def test_outcomes_that_cannot_be_are_refused(task: dict[str, Any], why: str) -> None:
    """A report from elsewhere with rows that do not exist is refused before anything is computed from it."""
    with pytest.raises(ValidationError, match=why):
        Pool.model_validate({"images": 2, "tasks": {"t2i": task}})


def test_outcomes_are_values() -> None:
    """Equal outcomes are equal, so that two reports can be checked for the same queries."""
    assert Ranked(ranks=[1], images=[0]) == Ranked(ranks=[1], images=[0])


WORDS: dict[str, Any] = {
    "images": [0, 0, 1], "own": [0.9, 0.2, 0.4], "other": [0.5, 0.5, 0.5], "wrong": {"colour": [0], "count": [2]},
    "known": [0, 2], "restored": [2], "edits": 2, "captions": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"own": [0.5]}, "3 words need as many figures"),
        ({"other": []}, "3 words need as many figures"),
        ({"wrong": {"colour": [0], "count": [3]}}, "beyond the 3"),
        ({"wrong": {"colour": [0, 2], "count": [2]}}, "of two kinds"),
        ({"known": [1]}, "only wrong words can be known"),
        ({"known": [0]}, "only known ones restored"),
    ],
)
def test_words_that_cannot_be_are_refused(change: dict[str, Any], why: str) -> None:
    """Every word has its figures; wrong, known and restored ones are each among the ones before."""
    Words(**WORDS)

    with pytest.raises(ValidationError, match=why):
        Words(**{**WORDS, **change})


def test_words_stand_on_the_pools_images() -> None:
    """A word of an image beyond the pool's could never be drawn."""
    assert 2 == Pool(images=2, tasks={}, words=Words(**WORDS)).images

    with pytest.raises(ValidationError, match="words: each needs an image below 1"):
        Pool(images=1, tasks={}, words=Words(**WORDS))
