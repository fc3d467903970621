"""A collection that cards built, and that they serve."""

from pathlib import Path

import numpy as np
import pytest

from index import publish as publishing
from index.collection import Collection
from index.errors import GpuFailed
from index.gpu.device import Device, Gpus
from index.gpu.served import GpuIndex
from index.live.view import View
from index.plan import Budget
from index.publish import current, publish, wishes
from index.snapshot import Snapshot, open_moments
from tests.index.gpu.cards import Copies, in_memory
from tests.index.published import filled, unit_vectors

VECTORS = unit_vectors(400, 16)
QUERIES = unit_vectors(15, 16, seed=1)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Some items, not published."""
    return filled(tmp_path, VECTORS)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Copies:
    """What publishing copies to a card, whatever device it is told to take."""
    made = Copies()

    def found(device: Device) -> Gpus | None:
        return None if device == "cpu" else Gpus(1, made, required=device == "gpu")

    monkeypatch.setattr(publishing, "gpus_for", found)
    return made


def test_a_snapshot_of_cards_opens_without_them(collection: Collection, copies: Copies) -> None:
    """Lists that a card learnt are published, checked and searched by the CPU; the collection does not remember the card."""
    manifest = publish(collection, budget=Budget(kind="ivf-rabitq"), device="gpu")

    assert copies.numbers
    assert manifest.images.recall_at_10 >= 0.95
    assert Budget(kind="ivf-rabitq") == wishes(collection.path)[1]
    scores, rows = Snapshot.open(current(collection.path)).images.search(VECTORS[:50], 1)
    assert np.allclose(1, scores, atol=2e-3)
    assert 50 == len({*rows[:, 0].tolist()})


def test_a_card_that_fails_leaves_the_old_snapshot(collection: Collection, copies: Copies) -> None:
    """Where a GPU was asked for and cannot do it, nothing is published; left to itself, publishing goes on without."""
    before = publish(collection, device="cpu").id
    copies.full = True

    with pytest.raises(GpuFailed, match="out of memory"):
        publish(collection, budget=Budget(kind="ivf-pq"), device="gpu")

    assert before == current(collection.path).name
    assert before != publish(collection, budget=Budget(kind="ivf-pq")).id


@pytest.mark.parametrize("kind", ["flat", "ivf-rabitq"])
def test_both_answer_a_live_collection_alike(kind: str, collection: Collection) -> None:
    """With items that were removed, replaced and added since: the same rows with the same scores, with a filter too."""
    publish(collection, budget=Budget.model_validate({"kind": kind}), target_recall=0.99, device="cpu")
    folder, pinned = current(collection.path), collection.latest()
    collection.delete([f"item-{number:05d}" for number in range(0, 400, 40)])

    snapshots = [Snapshot.open(folder, gpus=gpus) for gpus in (None, in_memory(2))]
    views = [View.of(each, pinned).advanced(collection.latest()) for each in snapshots]
    among = np.sort(snapshots[0].images.rowids[::2])
    answers = [
        [part.search(QUERIES, 10, among=rows) for rows in (None, among)] for part in (view.images for view in views)
    ]

    assert isinstance(snapshots[1].images.index, GpuIndex)
    assert 10 == views[1].images.dead
    for (scores, rows), (expected_scores, expected) in zip(answers[1], answers[0], strict=True):
        assert np.mean([len({*mine} & {*theirs}) for mine, theirs in zip(rows, expected, strict=True)]) > 9.5
        assert np.allclose(expected_scores[:, 0], scores[:, 0], atol=2e-3)


def test_a_snapshot_without_videos_has_no_moments_on_a_card(collection: Collection) -> None:
    """What is not there is not copied."""
    publish(collection, device="cpu")
    copies = Copies()

    _, moments = open_moments(current(collection.path), gpus=in_memory(1, copies))

    assert moments is None
    assert [] == copies.numbers
