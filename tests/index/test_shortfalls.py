"""What a published index falls short of is told."""

from pathlib import Path

import pytest

from index.plan import Budget
from index.publish import publish
from index.shortfalls import parts_of, shortfalls
from index.snapshot import IndexPart, SnapshotManifest
from index.tune import Point
from tests.index.published import filled, unit_vectors

LISTS = Budget(kind="ivf-rabitq")


@pytest.fixture
def manifest(tmp_path: Path) -> SnapshotManifest:
    """Of eight hundred items and as many captions, in lists."""
    return publish(filled(tmp_path, unit_vectors(800)), budget=LISTS)


def timed(part: IndexPart, **points: tuple[float, float]) -> IndexPart:
    """The part as if it had measured those recalls and milliseconds; the first is chosen."""
    curve = [
        Point(parameters={"nprobe": at}, recall={"images": recall, "texts": 1.0}, query_ms=ms)
        for at, (recall, ms) in enumerate(points.values(), 1)
    ]
    chosen = {"parameters": curve[0].parameters, "recall_at_10": curve[0].worst, "query_ms": curve[0].query_ms}
    return part.model_copy(update={**chosen, "curve": sorted(curve, key=lambda point: point.query_ms)})


def within(manifest: SnapshotManifest, latency_ms: float, images: IndexPart) -> list[str]:
    """What is said of a snapshot with those images, where so many milliseconds are wanted."""
    budget = Budget(latency_ms=latency_ms)
    return shortfalls(manifest.model_copy(update={"budget": budget, "images": images, "texts": None}))


def test_what_is_as_it_was_wanted_needs_no_words(manifest: SnapshotManifest) -> None:
    """No budget of time, or one that was kept, and texts to tune on: nothing is said."""
    assert [] == shortfalls(manifest)
    assert [] == within(manifest, 2.0, timed(manifest.images, chosen=(0.96, 1.9)))
    assert ["images", "texts"] == [label for label, _ in parts_of(manifest)]


def test_an_index_that_is_too_slow_is_told(manifest: SnapshotManifest) -> None:
    """What it takes, what was wanted, and the greatest recall that was measured to be quick enough, rounded down."""
    slow = timed(manifest.images, chosen=(0.96, 3.14), quick=(0.8765, 1.9), quicker=(0.7, 1.0))

    (said,) = within(manifest, 2.0, slow)

    assert (
        "images: one query takes 3.14 ms where it was built, 2 ms are wanted; --recall 0.87 would take 1.9 ms" == said
    )


def test_where_nothing_is_quick_enough_another_kind_may_be(manifest: SnapshotManifest) -> None:
    """No setting to offer: the command that estimates other kinds is named."""
    (said,) = within(manifest, 0.5, timed(manifest.images, chosen=(0.96, 3.14)))

    assert "vilem index plan test" in said
    assert "--recall" not in said


def test_both_indexes_are_looked_at(manifest: SnapshotManifest) -> None:
    """A budget of time is of each query: images and captions that are too slow are both told."""
    said = shortfalls(manifest.model_copy(update={"budget": Budget(latency_ms=1e-6)}))

    assert ["images:", "texts:"] == [each.split()[0] for each in said]


def test_an_index_that_was_tuned_without_texts_is_told(tmp_path: Path) -> None:
    """Without captions nothing is known of texts, and that is said; with queries of its own, something is."""
    collection = filled(tmp_path, unit_vectors(800), captions=0)

    (said,) = shortfalls(publish(collection, budget=LISTS))

    assert said.startswith("images: tuned on images alone")
    assert "--queries FILE" in said
    assert [] == shortfalls(publish(collection, queries=unit_vectors(20, seed=1)))


def test_an_exact_index_is_tuned_for_nothing(tmp_path: Path) -> None:
    """It finds everything whatever asks, so without captions nothing is missing."""
    assert [] == shortfalls(publish(filled(tmp_path, unit_vectors(20), captions=0)))
