"""The job that changes a collection's model."""

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.errors import BundleMismatch, GenerationChanged, LeaseHeld, ReindexRefused, StorageFull
from index.fields.change import add_fields
from index.fields.types import fields_of, parse_declaration
from index.generations import FIRST, history
from index.lease import GENERATIONS_LEASE_FILE, lease
from index.live.writes import Put, Remove, apply
from index.publish import ALIAS
from index.reindex import job as module
from index.reindex.job import ReindexOptions
from index.reindex.report import read_report
from index.reindex.start import reindex
from index.schema import Record
from index.searcher import Searcher
from models.bundle import Bundle, TextEmbeddings
from tests.index.reindex.support import (
    NAME,
    OPTIONS,
    back,
    change,
    expect_embedded_by,
    make_home,
    opened,
    run,
)
from tests.index.support import CountingBundle, counting, picture, stored_ids


@pytest.fixture
def home(tmp_path: Path, models: tuple[Path, Path]) -> Path:
    """Sixteen pictures, embedded by the first bundle."""
    return make_home(tmp_path, models)


class Hooked(CountingBundle):
    """A bundle that does something else too, each time it embeds images; given the number of the batch."""

    hook: Callable[[int], None]

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        """Do it, then embed."""
        made = super().embed_images(pixels)
        self.hook(len(self.batches))
        return made


class Confused(Bundle):
    """A bundle whose texts have nothing to do with its images."""

    def embed_texts(self, texts: list[str]) -> TextEmbeddings:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Embed them, and turn each its own way."""
        made = super().embed_texts(texts)
        rng = np.random.default_rng(len(texts))
        return TextEmbeddings(rng.normal(size=made.vectors.shape).astype(np.float32), made.truncated)


def hooked(home: Path, hook: Callable[[int], None]) -> Hooked:
    """The new bundle with that hook."""
    bundle = Hooked.open(home / "bundles" / "new")
    assert isinstance(bundle, Hooked)
    bundle.start_counting()
    bundle.hook = hook
    return bundle


def by(home: Path, bundle: Bundle, options: ReindexOptions = OPTIONS) -> module.ModelChange:
    """The change to that bundle."""
    return reindex(home / "collections", NAME, bundle, options)


def put(home: Path, number: int, item_id: str | None = None) -> None:
    """Write an item to whatever generation is served, as a live writer does: with that generation's model."""
    data = picture(number)
    path = home / "written" / f"{number}.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    while True:
        collection = opened(home)
        bundle = Bundle.open(home / "bundles" / collection.info.bundle_name, verify=False)
        record = Record(item_id or f"new-{number}", path.as_uri(), f"{number:064d}", 48, 40, ("red",), {})
        vector = bundle.embed_images(bundle.prepare(data)[None])[0]
        try:
            apply(collection, [Put(record, vector, bundle.embed_texts(["red"]).vectors, bundle.digest)])
        except (GenerationChanged, BundleMismatch):
            continue
        return


def expect_unchanged(home: Path) -> None:
    """The old model is served, as before, and can be searched."""
    assert (FIRST, "old") == (opened(home).generation, opened(home).info.bundle_name)
    assert 16 == Searcher.open(home / "collections", NAME).count


def test_collection_and_model_change_together(home: Path) -> None:
    """After the change every row is the new model's, what is served is found by it, and the old one is kept."""
    before = {record.id: record for record in opened(home).first(100)}

    done = run(change(home))

    expect_embedded_by(home, "new")
    assert before == {record.id: record for record in opened(home).first(100)}
    searcher = Searcher.open(home / "collections", NAME)
    bundle = Bundle.open(home / "bundles" / "new")
    assert (bundle.digest, 24, 16) == (searcher.text_model.bundle_digest, searcher.dim, searcher.count)
    found = searcher.search(bundle.embed_texts(["red"]).vectors, [2], "images")[0]
    assert {"red-0", "red-1"} == {hit.id for hit in found}
    assert [opened(home).generation, FIRST] == history(opened(home).home)
    assert done.report is not None
    assert done.report == read_report(opened(home).path)
    assert (16, 0, 16, [100.0] * 3) == (
        done.report.embedded,
        done.report.lost,
        done.report.pictures,
        [each.new for each in done.report.retrieval],
    )


def test_a_stopped_job_goes_on(home: Path) -> None:
    """Ctrl-C at any batch leaves the old model serving; the same command embeds the rest and nothing twice."""

    def stop(batch: int) -> None:
        if batch == 3:
            raise KeyboardInterrupt

    stopped = hooked(home, stop)
    with pytest.raises(KeyboardInterrupt):
        run(by(home, stopped))
    expect_unchanged(home)

    bundle = counting(home / "bundles" / "new")
    done = run(by(home, bundle))

    expect_embedded_by(home, "new")
    assert done.report is not None
    assert 0 < done.report.embedded < 16
    # the last batch was made, and lost with the stop
    embedded = [*stopped.pixels[:-4], *bundle.pixels[: done.report.embedded]]
    assert 16 == len(embedded) == len(set(embedded))


def test_a_job_can_be_left(home: Path) -> None:
    """Whoever leaves it between two steps has changed nothing, and holds nothing."""
    with change(home) as job:
        next(iter(job))

    expect_unchanged(home)
    run(change(home))
    expect_embedded_by(home, "new")


def test_a_worse_model_is_refused(home: Path) -> None:
    """A model that finds too little is not served, and the figures are told; forced, it is, without embedding anew."""
    confused = Confused.open(home / "bundles" / "new")
    refused = by(home, confused)

    with pytest.raises(ReindexRefused, match=r"R@1 falls from 100\.0.*--force"):
        run(refused)

    expect_unchanged(home)
    assert refused.report is not None
    assert 3 == len(refused.report.failures) == len(refused.report.retrieval)
    forced = run(by(home, confused, replace(OPTIONS, force=True)))
    assert forced.report is not None
    assert (True, 0) == (forced.report.forced, forced.report.embedded)
    assert "new" == opened(home).info.bundle_name


def test_an_overlap_may_be_wanted(home: Path) -> None:
    """Where the ranking shall stay near the old one, one that does not is refused, and with a lower bound taken."""
    with pytest.raises(ReindexRefused, match=r"overlap@10"):
        run(change(home, options=replace(OPTIONS, min_overlap=1.0)))
    expect_unchanged(home)

    run(change(home, options=replace(OPTIONS, min_overlap=0.1)))

    expect_embedded_by(home, "new")


def test_vectors_that_cannot_be_found_again_are_never_served(home: Path) -> None:
    """A model that gives a picture other vectors each time is refused, forced or not."""

    class Random(Bundle):
        def embed_images(self, pixels: np.ndarray) -> np.ndarray:
            made = super().embed_images(pixels)
            return np.random.default_rng().normal(size=made.shape).astype(np.float32)

    with pytest.raises(ReindexRefused, match="do not find themselves"):
        run(by(home, Random.open(home / "bundles" / "new"), replace(OPTIONS, force=True)))

    expect_unchanged(home)


def test_nothing_is_lost_unasked(home: Path) -> None:
    """An item whose picture is gone stops the change; let go, it is missing from the new model and back with the old."""
    (home / "pictures" / "red-0.png").unlink()
    with pytest.raises(ReindexRefused, match=r"'red-0'.*--max-lost 1"):
        run(change(home))
    expect_unchanged(home)

    run(change(home, options=replace(OPTIONS, max_lost=1)))
    assert "red-0" not in stored_ids(opened(home))
    assert ["red-0"] == [each.id for each in opened(home).rejects()]

    run(back(home))
    assert 16 == len(stored_ids(opened(home)))
    expect_unchanged(home)


def test_writes_go_on(home: Path) -> None:
    """Whatever is written and removed while the model changes is there, once and by its model, or gone."""
    acknowledged: dict[int, bool] = {}
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            put(home, number)
            acknowledged[number] = True
            if number % 3 == 2:
                apply(opened(home), [Remove(f"new-{number - 1}")])
                acknowledged[number - 1] = False
            number += 1

    # slow enough for the writer to come in between
    bundle = hooked(home, lambda _: time.sleep(0.1))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        run(by(home, bundle))
        swapped = len(acknowledged)
        until = time.monotonic() + 20
        while len(acknowledged) < swapped + 3 and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        stop.set()
        writer.join()

    written = [each for each in stored_ids(opened(home)) if each.startswith("new-")]
    assert sorted(f"new-{number}" for number, there in acknowledged.items() if there) == written
    assert 16 + len(written) == opened(home).count()
    assert len(acknowledged) > 3
    expect_embedded_by(home, "new")
    searcher = Searcher.open(home / "collections", NAME)
    assert opened(home).count() == searcher.count


def test_a_remove_is_retried_after_the_swap(home: Path) -> None:
    """A removal that was prepared for the old generation commits nothing after the swap."""
    before = opened(home)
    run(change(home))

    with pytest.raises(GenerationChanged):
        apply(before, [Remove("red-0")])

    assert 16 == opened(home).count()


def test_writes_that_outrun_the_model_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When every round leaves as much as the one before, the job ends with what to do, and the old model is served."""
    monkeypatch.setattr(module, "_HOLD_S", 0.1)
    numbers = iter(range(1000))
    bundle = hooked(home, lambda _: put(home, next(numbers)))

    with pytest.raises(ReindexRefused, match="faster than new embeds"):
        run(by(home, bundle))

    assert FIRST == opened(home).generation


def test_what_happens_to_the_collection_meanwhile_comes_along(home: Path) -> None:
    """Fields that are added, and versions cleaned away while the job runs, leave nothing out."""

    def meddle(batch: int) -> None:
        if batch == 2:
            put(home, 1)
            opened(home).delete(["blue-0"])
            add_fields(opened(home), [parse_declaration("shade:int")])
            opened(home).items.optimize.compact_files()
            opened(home).items.cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)

    run(by(home, hooked(home, meddle)))

    assert 16 == opened(home).count()
    assert "blue-0" not in stored_ids(opened(home))
    assert "shade" in fields_of(opened(home).items.schema)
    expect_embedded_by(home, "new")


def test_two_cannot_run(home: Path) -> None:
    """A second change of models is told who runs the first."""
    with change(home) as first:
        next(iter(first))

        with pytest.raises(LeaseHeld, match=rf"process {os.getpid()}.*changing to model new"):
            run(change(home))


def test_the_swap_waits_for_other_jobs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedding job or a publication of the served generation is not disturbed: who is waited for is told."""
    monkeypatch.setattr(module, "_PAUSE_S", 0.01)
    with change(home) as job:
        steps = iter(job)
        with lease(opened(home).home, "embedding"):
            waiting = next(step for step in steps if step.doing == "waiting")
            assert "(embedding" in waiting.note
            expect_unchanged(home)
        list(steps)

    expect_embedded_by(home, "new")


def test_a_full_disk_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left is an error of its own; the old model is served, and the same command goes on."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(module, "publish_held", full)
        with pytest.raises(StorageFull, match="old model is still served"):
            run(change(home))
    expect_unchanged(home)

    done = run(change(home))
    assert done.report is not None
    assert 0 == done.report.embedded


def test_what_was_never_published_is_not_compared(home: Path) -> None:
    """Without an old ranking there is nothing to compare; the report says so, and the change is made."""
    (opened(home).path / ALIAS).unlink()

    done = run(change(home))

    assert done.report is not None
    assert "never published" in (done.report.not_compared or "")
    expect_embedded_by(home, "new")


def test_a_damaged_index_of_the_target_is_made_anew(home: Path) -> None:
    """Going back to a generation whose snapshot was damaged publishes it again."""
    run(change(home))
    first = Collection.open(home / "collections", NAME, generation=FIRST)
    for index in first.path.glob("snapshots/*/images.faiss"):
        index.write_bytes(index.read_bytes()[:-1])

    run(back(home))

    assert 16 == Searcher.open(home / "collections", NAME).count


def test_a_change_begun_before_another_one_ended_is_refused(home: Path) -> None:
    """A job that was set up for a generation that is not served any more does nothing."""
    late = change(home)
    run(change(home))

    with pytest.raises(GenerationChanged):
        run(late)
    with lease(opened(home).home, "test", file_name=GENERATIONS_LEASE_FILE):
        expect_embedded_by(home, "new")
