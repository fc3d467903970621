"""Publishing: the old snapshot or the new one, never half of one."""

import os
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from index import publish as module
from index.build import build_parts
from index.collection import Collection
from index.errors import PlanImpossible, SelfCheckFailed, SnapshotMissing, StorageFull
from index.plan import Budget
from index.publish import ALIAS, KEEP, QUERIES_FILE, SNAPSHOTS, current, publish
from index.searcher import Searcher
from index.snapshot import MANIFEST_NAME, IndexPart, Snapshot, SnapshotManifest, read_manifest
from index.vectors import unit
from models.sealed import STAGING_PREFIX
from tests.index.published import entries, filled, unit_vectors


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Twenty items, published once."""
    filled_one = filled(tmp_path, unit_vectors(20))
    publish(filled_one)
    return filled_one


def snapshots(collection: Collection) -> set[str]:
    """What lies in the snapshots' folder."""
    return {path.name for path in (collection.path / SNAPSHOTS).iterdir()}


def test_the_alias_names_the_newest(collection: Collection) -> None:
    """After a publication the alias names it, and it shows the rows of now."""
    collection.add(entries(unit_vectors(5, seed=2), first=20))

    manifest = publish(collection)

    assert manifest.id == current(collection.path).name
    assert 25 == Snapshot.open(current(collection.path)).images.index.rows


def test_nothing_published_is_said(tmp_path: Path) -> None:
    """Before the first publication there is no snapshot, and the error says how to get one."""
    with pytest.raises(SnapshotMissing, match="index build"):
        current(filled(tmp_path, unit_vectors(1)).path)


def test_old_snapshots_go(collection: Collection) -> None:
    """The last few are kept, older ones are removed, the served one never."""
    for _ in range(KEEP + 2):
        publish(collection)

    assert KEEP == len(snapshots(collection))
    assert current(collection.path).is_dir()


def test_unfinished_ones_go(collection: Collection) -> None:
    """What a killed publication left is removed by the next."""
    (collection.path / SNAPSHOTS / f"{STAGING_PREFIX}dead").mkdir()

    publish(collection)

    assert not any(name.startswith(STAGING_PREFIX) for name in snapshots(collection))


def test_a_poor_index_is_not_published(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index below its recall target is thrown away, and the old one goes on."""
    before, names = current(collection.path), snapshots(collection)

    def poor(*arguments: object, **options: float) -> tuple[IndexPart, IndexPart | None]:
        images, texts = build_parts(*arguments, **options)
        return images.model_copy(update={"recall_at_10": 0.5}), texts

    monkeypatch.setattr(module, "build_parts", poor)
    with pytest.raises(SelfCheckFailed, match=r"50\.0%"):
        publish(collection)

    assert (before, names) == (current(collection.path), snapshots(collection))


def test_an_index_of_other_vectors_is_not_published(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canaries that do not find themselves stop the publication."""
    other = filled(tmp_path, unit_vectors(20, seed=77), name="other")
    before = current(collection.path)

    def swapped(_: Collection, folder: Path, **wanted: object) -> tuple[IndexPart, IndexPart | None]:
        return build_parts(other, folder, **wanted)

    monkeypatch.setattr(module, "build_parts", swapped)
    with pytest.raises(SelfCheckFailed, match="find itself"):
        publish(collection)

    assert before == current(collection.path)


def test_a_full_disk_is_said(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left is an error of its own, and the old snapshot is still served."""
    before = current(collection.path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(module, "build_parts", full)
    with pytest.raises(StorageFull, match="old snapshot"):
        publish(collection)

    assert before == current(collection.path)
    assert not any(name.startswith(STAGING_PREFIX) for name in snapshots(collection))


def test_a_broken_alias_is_no_crash(collection: Collection) -> None:
    """An alias that names nothing is told as a missing snapshot when it is opened, and publishing mends it."""
    (collection.path / ALIAS).write_text("v0-gone\n")
    with pytest.raises(SnapshotMissing):
        Snapshot.open(current(collection.path))

    publish(collection)

    Snapshot.open(current(collection.path))


def test_what_a_killed_removal_left_goes(collection: Collection) -> None:
    """A folder that lost its manifest, and a stray file, do not stop a publication; the folder goes with it."""
    old = current(collection.path)
    publish(collection)
    (old / MANIFEST_NAME).unlink()
    (collection.path / SNAPSHOTS / "README").write_text("not a snapshot")

    for _ in range(2):
        publish(collection)

    assert not old.exists()
    Snapshot.open(current(collection.path))


def test_captions_that_are_not_found_stop_a_publication(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The captions' index has canaries of its own: one of other vectors is not published."""
    other = filled(tmp_path, unit_vectors(20, seed=77), name="other")
    before = current(collection.path)

    def swapped(pinned: Collection, folder: Path, **wanted: object) -> tuple[IndexPart, IndexPart | None]:
        _, texts = build_parts(other, folder, **wanted)
        rowids = (folder / "texts.rowids.npy").read_bytes()
        index = (folder / "texts.faiss").read_bytes()
        images, _ = build_parts(pinned, folder, **wanted)
        (folder / "texts.rowids.npy").write_bytes(rowids)
        (folder / "texts.faiss").write_bytes(index)
        return images, texts

    monkeypatch.setattr(module, "build_parts", swapped)
    with pytest.raises(SelfCheckFailed, match="find itself"):
        publish(collection)

    assert before == current(collection.path)


def test_a_full_disk_is_said_before_the_first_byte(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room even for the lease gives the same clear error."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(module, "lease", full)
    with pytest.raises(StorageFull):
        publish(collection)


def test_a_write_that_is_under_way_is_in_the_snapshot_or_after_it(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who publishes waits for a writer between an item's captions and the item: no snapshot counts captions of no item."""
    write, publisher = Collection._write_items, Thread(target=lambda: publish(_opened(collection)))

    def beside(*arguments: Any) -> None:  # noqa: ANN401 # passed on
        publisher.start()
        # long enough to publish, were it not to wait
        publisher.join(3)
        write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Collection, "_write_items", beside)
        _opened(collection).add(entries(unit_vectors(1, seed=9), first=900))
    publisher.join()

    searcher = Searcher.open(collection.home.parent, collection.info.name, contents=False).advanced()
    (hits,) = searcher.search(unit_vectors(1, seed=9), [1], "texts")
    assert ["item-00900"] == [hit.id for hit in hits]


def _opened(collection: Collection) -> Collection:
    return Collection.open(collection.home.parent, collection.info.name)


def test_scores_are_cosines(collection: Collection) -> None:
    """A vector's score against itself is 1 to a millionth, though half precision stores it a thousandth too long."""
    snapshot = Snapshot.open(current(collection.path))

    _, vectors = next(iter(collection.item_vectors()))
    scores, _ = snapshot.images.search(unit(vectors), 1)

    assert np.allclose(1, scores, atol=1e-6)


def test_publishing_anew_keeps_to_what_was_wanted(collection: Collection) -> None:
    """Recall and budget of the served snapshot go on, until others are given."""
    wanted = Budget(memory=10**6, kind="hnsw-fp16")
    publish(collection, target_recall=0.9, budget=wanted)

    again = publish(collection)

    assert (0.9, wanted, "hnsw-fp16") == (again.target_recall, again.budget, again.images.kind)
    assert (0.9, Budget()) == wishes_of(publish(collection, budget=Budget()))
    assert (0.95, "flat") == (publish(collection, target_recall=0.95).target_recall, publish(collection).images.kind)


def test_publishing_anew_is_tuned_on_the_texts_that_were_given(tmp_path: Path) -> None:
    """They stay with the snapshot, sealed, until others are given, or none; a file that is damaged counts as none."""
    collection = filled(tmp_path, unit_vectors(800), captions=0)

    def asked(queries: np.ndarray | None = None) -> set[str]:
        return set(publish(collection, budget=Budget(kind="ivf-rabitq"), queries=queries).images.curve[0].recall)

    assert {"images"} == asked()
    assert {"images", "queries"} == asked(unit_vectors(30, seed=3)) == asked()
    assert QUERIES_FILE in read_manifest(current(collection.path)).files
    assert {"images"} == asked(unit_vectors(0)) == asked()
    assert not (current(collection.path) / QUERIES_FILE).exists()
    for damaged in (b"", b"no array"):
        asked(unit_vectors(30, seed=3))
        (current(collection.path) / QUERIES_FILE).write_bytes(damaged)
        assert {"images"} == asked()


def wishes_of(manifest: SnapshotManifest) -> tuple[float | None, Budget]:
    """What a snapshot was made for."""
    return manifest.target_recall, manifest.budget


def test_what_does_not_fit_leaves_the_old_one(collection: Collection) -> None:
    """A budget that nothing fits is refused with what would do; the old snapshot goes on."""
    before = current(collection.path)

    with pytest.raises(PlanImpossible, match="--memory"):
        publish(collection, budget=Budget(memory=10))

    assert before == current(collection.path)
