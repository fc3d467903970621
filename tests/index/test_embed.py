"""index.embed: the whole job, on files."""

import dataclasses
import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index import embed as module
from index.collection import Collection
from index.embed import embed
from index.errors import BundleMismatch, CollectionError, LeaseHeld, SourceError, StorageFull
from index.lease import lease
from index.options import EmbedOptions
from index.sources import open_source, read_uri
from index.sources.item import SourceItem, Unusable
from models.bundle import Bundle
from models.decode import DecodeLimits
from tests.index.support import (
    collection_for,
    counting,
    live_captions,
    picture,
    run_job,
    stored_ids,
    write_pictures,
    write_table,
)
from tests.support.data import real_data, write_tar
from tests.support.tiny_bundle import make_tiny_bundle


def _corpus(root: Path, count: int = 12) -> Path:
    """A JSONL of pictures with two captions each."""
    names = write_pictures(root / "images", range(count))
    rows = [{"path": f"images/{name}", "captions": [f"red {name}", "a dog"], "n": n} for n, name in enumerate(names)]
    return write_table(root / "corpus.jsonl", rows)


def test_a_corpus_becomes_rows(tmp_path: Path, tiny_bundle: Path) -> None:
    """Every item of the source is a row with its vector, captions and metadata; the summary says so."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    summary = run_job(collection, open_source(str(_corpus(tmp_path))), bundle)
    assert (12, 12, 0, 0, {}, 13, True) == (
        summary.seen,
        summary.embedded,
        summary.updated,
        summary.unchanged,
        summary.rejected,
        summary.captions,
        summary.finished,
    )
    assert [f"images/{number:03d}.png" for number in range(12)] == stored_ids(collection)
    assert 24 == len(live_captions(collection))
    for number in range(12):
        record = collection.get(f"images/{number:03d}.png")
        assert record and {"n": number} == record.metadata and (48, 40) == (record.width, record.height)
        (expected,) = bundle.embed_images(bundle.prepare(picture(number))[None])
        np.testing.assert_allclose(expected, collection.vectors([record.id])[record.id], atol=2e-3)


def test_a_second_run_computes_nothing(tmp_path: Path, tiny_bundle: Path) -> None:
    """Unchanged files are neither decoded nor embedded nor written; no version is added."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    source = open_source(str(_corpus(tmp_path)))
    run_job(collection, source, bundle)
    version = collection.latest().version
    bundle.start_counting()
    again = Collection.open(tmp_path, "test")
    summary = run_job(again, source, bundle)
    assert (12, 12, 0) == (summary.seen, summary.unchanged, summary.embedded)
    assert (0, [], []) == (bundle.prepared, bundle.pixels, bundle.texts)
    assert version == collection.latest().version == summary.version
    # and Lance remembers as little as a job needs
    assert again.items.session().is_same_as(again.captions.session())


def test_only_what_changed_is_done_again(tmp_path: Path, tiny_bundle: Path) -> None:
    """New bytes are embedded anew, new texts only as texts, a new item only itself; the rest stays."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    table = _corpus(tmp_path)
    run_job(collection, open_source(str(table)), bundle)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    (tmp_path / "images/001.png").write_bytes(picture(200))
    rows[2]["captions"] = ["blue now", "a dog"]
    rows[3]["n"] = "three"
    write_pictures(tmp_path / "images", [77])
    write_table(table, [*rows, {"path": "images/077.png"}])
    bundle.start_counting()
    summary = run_job(collection, open_source(str(table)), bundle)
    assert (2, 2, 9, ["blue now"]) == (summary.embedded, summary.updated, summary.unchanged, bundle.texts)
    assert 13 == len(stored_ids(collection)) == len(set(stored_ids(collection)))
    assert ("images/002.png", 0, "blue now") in live_captions(collection)
    assert 24 == len(live_captions(collection)) == collection.latest().captions.count_rows()
    record = collection.latest().get("images/003.png")
    assert record and {"n": "three"} == record.metadata
    (expected,) = bundle.embed_images(bundle.prepare(picture(200))[None])
    np.testing.assert_allclose(expected, collection.latest().vectors(["images/001.png"])["images/001.png"], atol=2e-3)


def test_a_corpus_that_moved_is_not_embedded_again(tmp_path: Path, tiny_bundle: Path) -> None:
    """The rows follow the files to their new folder, without inference of image or text."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    run_job(collection, open_source(str(_corpus(tmp_path / "old"))), bundle)
    (tmp_path / "old").rename(tmp_path / "new")
    bundle.start_counting()
    summary = run_job(collection, open_source(str(tmp_path / "new/corpus.jsonl")), bundle)
    assert (12, 0, [], []) == (summary.updated, summary.embedded, bundle.pixels, bundle.texts)
    assert all("/new/images/" in record.uri for record in collection.latest().first(12))
    assert 24 == len(live_captions(collection))


def test_bad_items_do_not_stop_the_good_ones(tmp_path: Path, tiny_bundle: Path) -> None:
    """Each kind of fault lands in the rejects table with its reason, and everything else becomes a row."""
    images = tmp_path / "images"
    write_pictures(images, range(4))
    (images / "cut.jpg").write_bytes(picture(1, "JPEG", (200, 150))[:900])
    (images / "text.png").write_text("no image")
    (images / "large.png").write_bytes(picture(1, size=(300, 200)))
    (images / "folder.png").mkdir()
    paths = ["000.png", "cut.jpg", "001.png", "text.png", "large.png", "gone.png", "folder.png", "002.png", "002.png"]
    rows: list[dict[str, object]] = [{"path": path} for path in paths]
    rows += [{"path": "003.png", "id": "bad/image"}, {"id": "no path"}, {"path": "003.png", "captions": "x" * 70_000}]
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    options = EmbedOptions(limits=DecodeLimits(max_pixels=50_000), image_batch=2)
    summary = run_job(collection, open_source(str(write_table(images / "t.jsonl", rows))), bundle, options)
    assert ["000.png", "001.png", "002.png"] == stored_ids(collection)
    found = {(reject.id, reject.reason) for reject in collection.rejects()}
    assert {
        ("cut.jpg", "not-an-image"), ("text.png", "not-an-image"), ("large.png", "too-large"),
        ("gone.png", "missing-file"), ("folder.png", "unreadable-file"), ("002.png", "duplicate-id"),
        ("bad/image", "bad-id"), ("t.jsonl:11", "bad-row"), ("003.png", "bad-caption"),
    } == found  # fmt: skip
    assert 9 == sum(summary.rejected.values()) and 12 == summary.seen
    assert summary.finished


def test_a_reject_that_was_mended_leaves_the_table(tmp_path: Path, tiny_bundle: Path) -> None:
    """Rejects are tried again in every run; what succeeds is a row, what still fails stays a reject."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    images = tmp_path / "images"
    write_pictures(images, [0])
    for name in ("1.png", "2.png"):
        (images / name).write_bytes(b"broken")
    run_job(collection, open_source(str(images)), bundle)
    (images / "1.png").write_bytes(picture(1))
    summary = run_job(collection, open_source(str(images)), bundle)
    assert (1, 1, {"not-an-image": 1}) == (summary.embedded, summary.unchanged, summary.rejected)
    assert ["2.png"] == [reject.id for reject in collection.rejects()]


def test_faults_without_an_id_leave_the_table_when_mended(tmp_path: Path, tiny_bundle: Path) -> None:
    """A line that was no JSON and a shard that broke off are rejects until a run reads them well; other rejects stay."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    write_pictures(tmp_path, range(2))
    table, shard = tmp_path / "t.jsonl", tmp_path / "s.tar"
    whole = write_tar(shard, [("a.png", picture(1)), ("b.png", picture(2))]).read_bytes()
    shard.write_bytes(whole[:1_000])
    table.write_text('{"path": "000.png"}\n{oops\n{"path": "gone.png"}\n[]\n')
    for _ in range(2):
        run_job(collection, open_source(str(table)), bundle)
        run_job(collection, open_source(str(shard)), bundle)
        assert ["gone.png", "s.tar", "t.jsonl:2", "t.jsonl:4"] == [reject.id for reject in collection.rejects()]
    shard.write_bytes(whole)
    run_job(collection, open_source(str(shard)), bundle)
    assert ["gone.png", "t.jsonl:2", "t.jsonl:4"] == [reject.id for reject in collection.rejects()]
    table.write_text('{"path": "000.png"}\n{"path": "001.png"}\n{"path": "gone.png"}\n')
    run_job(collection, open_source(str(table)), bundle)
    assert ["gone.png"] == [reject.id for reject in collection.rejects()]


def test_an_image_that_broke_keeps_its_row(tmp_path: Path, tiny_bundle: Path) -> None:
    """A file that was good once and is damaged now is reported, and found as it was."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    write_pictures(tmp_path / "images", range(2))
    run_job(collection, open_source(str(tmp_path / "images")), bundle)
    (tmp_path / "images/001.png").write_bytes(b"broken")
    run_job(collection, open_source(str(tmp_path / "images")), bundle)
    assert ["000.png", "001.png"] == stored_ids(collection)
    assert ["001.png"] == [reject.id for reject in collection.rejects()]


def test_another_model_is_refused_before_anything_is_read(tmp_path: Path, tiny_bundle: Path) -> None:
    """Vectors of two models never meet in one collection."""
    collection = collection_for(Bundle.open(tiny_bundle), tmp_path)
    other = Bundle.open(make_tiny_bundle(tmp_path / "other", seed=1))
    with pytest.raises(BundleMismatch, match=r"tiny .*not by other"):
        embed(collection, open_source(str(tmp_path)), other)


def test_one_job_at_a_time(tmp_path: Path, tiny_bundle: Path) -> None:
    """A collection that someone writes is refused when the job would begin, and free when it ends."""
    bundle = Bundle.open(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    source = open_source(str(_corpus(tmp_path)))
    with lease(collection.path, "embedding"), pytest.raises(LeaseHeld):
        run_job(collection, source, bundle)
    run_job(collection, source, bundle)
    with lease(collection.path, "embedding"):
        pass


def test_a_job_sees_what_another_wrote_before(tmp_path: Path, tiny_bundle: Path) -> None:
    """A collection object that was opened before another job's commits does not write their rows twice."""
    bundle = counting(tiny_bundle)
    early = collection_for(bundle, tmp_path)
    source = open_source(str(_corpus(tmp_path)))
    run_job(Collection.open(tmp_path, "test"), source, bundle)
    assert 12 == run_job(early, source, bundle).unchanged
    assert 12 == len(stored_ids(early))


@dataclasses.dataclass
class Breaking:
    """A source that ends in an error after its items."""

    items: list[SourceItem]
    error: BaseException
    uri: str = "breaking:"
    places: list[str] = dataclasses.field(default_factory=list[str])

    def __iter__(self) -> Iterator[SourceItem | Unusable]:
        yield from self.items
        raise self.error

    def count(self) -> int | None:
        """As many as there are."""
        return len(self.items)


@pytest.mark.parametrize("error", [SourceError("the table was cut"), KeyboardInterrupt()])
def test_a_job_that_is_stopped_keeps_what_is_embedded(tmp_path: Path, tiny_bundle: Path, error: BaseException) -> None:
    """Ctrl-C or a source that breaks off: full batches are committed, the error goes on, the next run does the rest."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    items = [each for each in open_source(str(_corpus(tmp_path))) if isinstance(each, SourceItem)]
    # the feeder reads a block before it hands out the first: fill two
    items += [SourceItem(f"none-{number}", "file:///nowhere") for number in range(500)]
    job = embed(collection, Breaking(items, error), bundle, EmbedOptions(image_batch=5))
    with pytest.raises(type(error)):
        for _ in job:
            pass
    assert (10, False) == (len(stored_ids(collection)), job.summary.finished)
    assert 20 == len(live_captions(collection))
    assert 2 == run_job(collection, open_source(str(tmp_path / "corpus.jsonl")), bundle).embedded


def test_leaving_the_job_commits_at_once(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt in the code that shows the progress ends the job in order: lease, threads and rows."""
    monkeypatch.setattr(module, "_REPORT_EVERY", 0.0)
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    source = open_source(str(_corpus(tmp_path)))
    with pytest.raises(KeyboardInterrupt):
        with embed(collection, source, bundle, EmbedOptions(image_batch=1)) as job:
            for progress in job:
                if progress.seen == 7:
                    raise KeyboardInterrupt
    assert 7 == len(stored_ids(collection))
    assert not job.summary.finished
    with lease(collection.path, "embedding"):
        pass
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("feeder", "reader"))]


def test_progress_only_grows_and_ends_complete(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports never go back, and the last one has everything committed and the total known."""
    monkeypatch.setattr(module, "_REPORT_EVERY", 0.0)
    bundle = counting(tiny_bundle)
    source = open_source(str(_corpus(tmp_path)))
    with embed(collection_for(bundle, tmp_path), source, bundle, EmbedOptions(chunk_rows=4, image_batch=2)) as job:
        reports = list(job)
    for name in ("seen", "embedded", "committed", "seconds"):
        values = [getattr(report, name) for report in reports]
        assert sorted(values) == values
    assert (12, 12, 12, 12) == (reports[-1].seen, reports[-1].embedded, reports[-1].committed, reports[-1].total)
    assert 0 == reports[-1].seconds_left


@pytest.mark.parametrize(("lines", "seen"), [("{0}\n{0}\nno JSON", 3), ("{0}\n\n\n{0}\n", 2)])
def test_progress_ends_with_as_many_as_there_were(tmp_path: Path, tiny_bundle: Path, lines: str, seen: int) -> None:
    """A table is counted by its line ends; one without its last, or with blank lines, ends as N of N all the same."""
    (name,) = write_pictures(tmp_path, [0])
    (tmp_path / "t.jsonl").write_text(lines.format(json.dumps({"path": name})))
    bundle = counting(tiny_bundle)
    with embed(collection_for(bundle, tmp_path), open_source(str(tmp_path / "t.jsonl")), bundle) as job:
        *_, last = job
    assert (seen, seen) == (last.seen, last.total)


def test_a_summary_before_the_end_is_an_error(tmp_path: Path, tiny_bundle: Path) -> None:
    """A job that was never iterated over has done nothing, and says so."""
    bundle = Bundle.open(tiny_bundle)
    job = embed(collection_for(bundle, tmp_path), open_source(str(_corpus(tmp_path))), bundle)
    with pytest.raises(CollectionError, match="iterate"):
        _ = job.summary


def test_a_full_disk_at_the_lease_is_said(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room even for the lease the job says what is safe and what to do, as at any later moment."""
    bundle = Bundle.open(tiny_bundle)
    collection = collection_for(bundle, tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "lease", full)
    with pytest.raises(StorageFull, match="run the same command again; the 0 items"):
        run_job(collection, open_source(str(_corpus(tmp_path))), bundle)


def test_a_count_that_fails_is_not_told_twice(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is none is the job's one error; the thread that counts it for the progress bar ends in silence."""
    printed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)
    (tmp_path / "t.parquet").write_bytes(b"PAR1junkjunkPAR1")
    bundle = Bundle.open(tiny_bundle)
    with pytest.raises(SourceError, match=r"t\.parquet"):
        run_job(collection_for(bundle, tmp_path), open_source(str(tmp_path / "t.parquet")), bundle)
    for thread in threading.enumerate():
        if thread.name == "counter":
            thread.join()
    assert not printed


@pytest.mark.parametrize(
    ("parts", "count"),
    [(("coco-mini", "images"), 80), (("fashion", "val-000.tar"), 500), (("flickr8k", "val-000.tar"), 1_000)],
)
def test_real_photographs_find_themselves(
    tmp_path: Path, tiny_bundle: Path, parts: tuple[str, ...], count: int
) -> None:
    """Every photograph of a real corpus is a row, and its vector is the one of its own bytes."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    source = open_source(str(real_data(*parts)))
    summary = run_job(collection, source, bundle)
    assert (count, count, {}) == (summary.seen, summary.embedded, summary.rejected)
    records = collection.records_at(np.concatenate([rows for rows, _ in collection.item_vectors()]).tolist())
    vectors = np.concatenate([vectors for _, vectors in collection.item_vectors()])
    for at in range(0, count, max(1, count // 40)):
        record = records[at]
        assert record
        (query,) = bundle.embed_images(bundle.prepare(read_uri(record.uri))[None])
        scores = vectors @ query
        # half precision: a photograph that is nearly the same may tie
        assert scores[at] >= scores.max() - 1e-3
