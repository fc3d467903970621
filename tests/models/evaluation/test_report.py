"""Figures by group."""

import numpy as np
import pytest

from models.evaluation.report import KS, Group, report

IMAGES = np.eye(3, dtype=np.float32)
TEXTS = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
OWNERS = np.array([0, 1, 1, 2])
LABELS = [("list", "seen"), ("list", "new"), ("brief", "new"), ("brief", "seen")]


def test_a_caption_counts_in_each_of_its_groups() -> None:
    """A group's recall is over the captions with its label, against all images."""
    found = report(IMAGES, TEXTS, OWNERS, LABELS)

    assert {"brief": 2, "list": 2, "new": 2, "seen": 2} == {name: each.captions for name, each in found.groups.items()}
    assert {"brief": 0.5, "list": 1.0, "new": 0.5, "seen": 1.0} == {
        name: each.text_to_image[1] for name, each in found.groups.items()
    }


def test_groups_of_equal_size_average_to_the_whole() -> None:
    """When every caption has exactly one label, recalls weighted by size give the recall of all captions."""
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(20, 4)), rng.normal(size=(60, 4))
    owners = np.tile(np.arange(20), 3)
    labels = [(f"group-{row % 4}",) for row in range(60)]

    found = report(images, texts, owners, labels)

    for k in KS:
        mean = sum(each.captions * each.text_to_image[k] for each in found.groups.values()) / 60
        assert pytest.approx(found.whole.text_to_image[k]) == mean


def test_without_labels_there_are_no_groups() -> None:
    """A pool without labels is measured as a whole only."""
    found = report(IMAGES, TEXTS, OWNERS)

    assert (3, 4, {}) == (found.images, found.captions, found.groups)


def test_labels_must_match_the_captions() -> None:
    """One tuple of labels for each caption, or an error that says both counts."""
    with pytest.raises(ValueError, match="1 labels for 4 captions"):
        report(IMAGES, TEXTS, OWNERS, [("list",)])


def test_metrics_are_flat_numbers() -> None:
    """The table for a manifest holds the sizes, both directions at each K and each group, as floats."""
    metrics = report(IMAGES, TEXTS, OWNERS, LABELS).metrics()

    assert (3.0, 4.0, 0.75, 0.5) == tuple(metrics[name] for name in ("images", "captions", "t2i_r1", "t2i_r1.brief"))
    assert 2 + 2 * len(KS) + 4 * len(KS) == len(metrics)
    assert all(isinstance(value, float) for value in metrics.values())


def test_a_group_is_a_value() -> None:
    """Two groups with equal figures are equal."""
    assert Group(1, {1: 0.5}) == Group(1, {1: 0.5})
