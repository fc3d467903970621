"""index.engines.job: the job on an engine gives what the plain job gives, whatever the engine does to its blocks."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.engines.job import Work, Worker
from index.engines.staging import STAGING, Staged
from index.errors import BundleMismatch, LeaseHeld, SourceError
from index.fields.change import add_fields
from index.fields.types import parse_declaration
from index.lease import lease
from index.options import EmbedOptions
from index.progress import Summary
from index.sources import open_source
from index.sources.item import Source
from models.bundle import Bundle
from tests.index.engines.support import SMALL, contents, here, mixed_corpus, rejects_of, reports, run_staged, staged_job
from tests.index.support import REPOSITORY, collection_for, picture, run_job, stored_ids, write_pictures, write_table
from tests.support.data import write_tar
from tests.support.tiny_bundle import make_tiny_bundle
from tests.support.videos import colour_video


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny one."""
    return Bundle.open(tiny_bundle)


def counts(summary: Summary) -> tuple[object, ...]:
    """What two engines count alike; a caption that two blocks share is embedded twice."""
    return (
        summary.seen, summary.embedded, summary.updated, summary.unchanged, summary.rejected, summary.moments,
        summary.patch_bytes, summary.finished,
    )  # fmt: skip


def shuffled(parts: list[Source], work: Work) -> Generator[Staged]:
    """An engine that embeds every third block twice, and gives reports in disorder."""
    worked = list(reports(parts, work))
    again = [report for report in reports(parts, work) if report.block.number % 3 == 0]
    both = worked + again
    random.Random(1).shuffle(both)
    yield from both


@pytest.mark.parametrize("engine", [here, shuffled])
def test_an_engine_gives_what_the_plain_job_gives(tmp_path: Path, bundle: Bundle, engine: object) -> None:
    """Same rows, captions, vectors, rejects and counts, from one commit, whatever comes twice and in whatever order."""
    source = open_source(str(mixed_corpus(tmp_path)))
    plain, staged = collection_for(bundle, tmp_path, "plain"), collection_for(bundle, tmp_path, "staged")
    expected = run_job(plain, source, bundle)
    version = staged.version

    found = run_staged(staged, source, bundle, engine=engine)  # pyright: ignore[reportArgumentType]

    assert contents(plain) == contents(staged)
    assert rejects_of(plain) == rejects_of(staged)
    assert counts(expected) == counts(found)
    assert version + 1 == staged.latest().version == found.version


def test_rows_lie_in_the_sources_order(tmp_path: Path, bundle: Bundle) -> None:
    """However the blocks came: a snapshot of the same corpus is the same each time."""
    write_pictures(tmp_path / "images", range(20))
    collection = collection_for(bundle, tmp_path)

    run_staged(collection, open_source(str(tmp_path / "images")), bundle, engine=shuffled)

    assert [f"{number:03d}.png" for number in range(20)] == [record.id for record in collection.latest().first(20)]


def test_a_second_run_embeds_and_writes_nothing(tmp_path: Path, bundle: Bundle) -> None:
    """What is there as the source has it is left alone; no version is added."""
    source = open_source(str(mixed_corpus(tmp_path)))
    collection = collection_for(bundle, tmp_path)
    run_staged(collection, source, bundle)
    before, version = contents(collection), collection.latest().version

    summary = run_staged(collection, source, bundle)

    assert (0, 0, 30, 0) == (summary.embedded, summary.updated, summary.unchanged, summary.captions)
    assert before == contents(collection) and version == collection.latest().version


def test_what_changed_is_replaced_as_the_plain_job_replaces_it(tmp_path: Path, bundle: Bundle) -> None:
    """New bytes, new captions and new metadata, among what stays and what is new: same rows, under the row ids they had."""
    table = mixed_corpus(tmp_path)
    plain, staged = collection_for(bundle, tmp_path, "plain"), collection_for(bundle, tmp_path, "staged")
    for collection in (plain, staged):
        run_job(collection, open_source(str(table)), bundle)
    row_ids = _row_ids(staged)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    good = [row for row in rows if "n" in row and row["n"] != "again"]
    good[2]["captions"] = ["another", "a photo"]
    good[5]["n"] = "six"
    (tmp_path / "images/007.png").write_bytes(picture(900))
    (tmp_path / "images/cut.png").write_bytes(picture(901))
    (tmp_path / "images/new.png").write_bytes(picture(902))
    write_table(table, [{"path": "images/new.png"}, *rows])
    expected = run_job(plain, open_source(str(table)), bundle)

    found = run_staged(staged, open_source(str(table)), bundle)

    assert (3, 2) == (found.embedded, found.updated) and counts(expected) == counts(found)
    assert contents(plain) == contents(staged)
    assert rejects_of(plain) == rejects_of(staged)
    assert row_ids == {item: row for item, row in _row_ids(staged).items() if item in row_ids}
    assert staged.latest().captions.count_rows() == plain.latest().captions.count_rows()


def _row_ids(collection: Collection) -> dict[str, int]:
    table = collection.latest().items.to_table(columns=["id"], with_row_id=True)
    return dict(zip(table["id"].to_pylist(), table["_rowid"].to_pylist(), strict=True))


def test_a_corpus_that_moved_is_not_embedded_again(tmp_path: Path, bundle: Bundle) -> None:
    """Every row is replaced, with the vectors that it had: nothing goes through the model."""
    mixed_corpus(tmp_path / "old")
    collection = collection_for(bundle, tmp_path)
    run_staged(collection, open_source(str(tmp_path / "old/corpus.jsonl")), bundle)
    before = contents(collection)
    (tmp_path / "old").rename(tmp_path / "new")

    summary = run_staged(collection, open_source(str(tmp_path / "new/corpus.jsonl")), bundle)

    assert (30, 0, 0) == (summary.updated, summary.embedded, summary.captions)
    after = contents(collection)
    assert all("/new/images/" in str(row["uri"]) for row in after.values())
    assert [row["of captions"] for row in before.values()] == [after[item]["of captions"] for item in before]


def test_patches_are_stored_as_the_plain_job_stores_them(tmp_path: Path, proof_bundle: Path) -> None:
    """Byte for byte; rows that lack them, of a job that left them out, get them."""
    bundle = Bundle.open(proof_bundle)
    write_pictures(tmp_path / "images", range(6))
    source = open_source(str(tmp_path / "images"))
    plain, staged = collection_for(bundle, tmp_path, "plain"), collection_for(bundle, tmp_path, "staged")
    expected = run_job(plain, source, bundle, EmbedOptions(image_batch=2))
    without = EmbedOptions(chunk_rows=4, image_batch=2, patches=False)
    assert 0 == run_staged(staged, source, bundle, without).patch_bytes

    found = run_staged(staged, source, bundle)

    assert 6 == found.embedded and expected.patch_bytes == found.patch_bytes > 0
    ids = stored_ids(plain)
    assert plain.latest().patches(ids) == staged.latest().patches(ids)


def test_typed_fields_are_filled(tmp_path: Path, bundle: Bundle) -> None:
    """Columns that were made of the metadata hold what the plain job puts there, null where a value does not fit."""
    table = mixed_corpus(tmp_path)
    plain, staged = collection_for(bundle, tmp_path, "plain"), collection_for(bundle, tmp_path, "staged")
    for collection in (plain, staged):
        add_fields(collection, [parse_declaration("n:int"), parse_declaration("missing:string")])
    run_job(plain, open_source(str(table)), bundle)

    run_staged(staged, open_source(str(table)), bundle)

    assert contents(plain) == contents(staged)
    assert set(range(30)) == {row["field:n"] for row in contents(staged).values()}


def test_videos_are_embedded_too(tmp_path: Path, bundle: Bundle) -> None:
    """A video among pictures has its row and its moments, as from the plain job."""
    write_pictures(tmp_path / "images", range(5))
    (tmp_path / "images" / "clip.mp4").write_bytes(colour_video("red", "blue"))
    source = open_source(str(tmp_path / "images"))
    plain, staged = collection_for(bundle, tmp_path, "plain"), collection_for(bundle, tmp_path, "staged")
    expected = run_job(plain, source, bundle)

    found = run_staged(staged, source, bundle)
    again = run_staged(staged, source, bundle)

    assert counts(expected) == counts(found) and found.moments > 1
    assert contents(plain) == contents(staged)
    assert plain.latest().moments.count() == staged.latest().moments.count() == found.moments
    assert (0, 6) == (again.embedded, again.unchanged)


def test_shards_are_read_beside_each_other(tmp_path: Path, bundle: Bundle) -> None:
    """Each shard is a part; a shard of the same name elsewhere belongs to the same part, and its keys are repeated ids."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    write_tar(tmp_path / "a/0.tar", [("x.png", picture(1)), ("y.png", picture(2))])
    write_tar(tmp_path / "a/1.tar", [("x.png", picture(3))])
    broken = write_tar(tmp_path / "b/0.tar", [("x.png", picture(4)), ("z.png", picture(5))])
    broken.write_bytes(broken.read_bytes()[:1_600])
    source = open_source(f"{tmp_path}/{{a,b}}/*.tar")
    plain, staged = collection_for(bundle, tmp_path, "plain"), collection_for(bundle, tmp_path, "staged")
    expected = run_job(plain, source, bundle)

    found = run_staged(staged, source, bundle)

    assert counts(expected) == counts(found) and 1 == found.rejected["duplicate-id"]
    assert contents(plain) == contents(staged) and rejects_of(plain) == rejects_of(staged)


def test_long_jobs_commit_now_and_then(tmp_path: Path, bundle: Bundle) -> None:
    """With a bound of no seconds each block is a commit: the same rows in the end."""
    write_pictures(tmp_path / "images", range(20))
    collection = collection_for(bundle, tmp_path)
    version = collection.version

    run_staged(collection, open_source(str(tmp_path / "images")), bundle, commit_seconds=0)

    assert 20 == len(contents(collection))
    assert version + 5 == collection.latest().version


def test_a_stopped_job_keeps_what_was_embedded(tmp_path: Path, bundle: Bundle) -> None:
    """Leaving the job, as Ctrl-C does, commits the beginning of the source that is ready; the next run makes the rest."""
    write_pictures(tmp_path / "images", range(20))
    source, collection = open_source(str(tmp_path / "images")), collection_for(bundle, tmp_path)

    with staged_job(collection, source, bundle) as job:
        for progress in job:
            if progress.seen >= 8:
                break

    assert [f"{number:03d}.png" for number in range(8)] == stored_ids(collection)
    assert not job.summary.finished
    rest = run_staged(collection, source, bundle)
    assert (8, 12) == (rest.unchanged, rest.embedded) and 20 == len(contents(collection))


def test_a_table_that_breaks_off_keeps_what_came_before(tmp_path: Path, bundle: Bundle) -> None:
    """As in the plain job: the rows before the fault are there, and the fault is told."""
    names = write_pictures(tmp_path, range(8))
    table = tmp_path / "t.csv"
    table.write_bytes(b"path\n" + "".join(f"{name}\n" for name in names).encode() + b"\xff\xfe\n001.png\n")
    collection = collection_for(bundle, tmp_path)

    with pytest.raises(SourceError, match=r"t\.csv cannot be read as a table"):
        run_staged(collection, open_source(str(table)), bundle)

    assert names == stored_ids(collection)


def test_an_engine_that_loses_blocks_is_found_out(tmp_path: Path, bundle: Bundle) -> None:
    """A block that never comes back is no end of the job; what lies before it stays."""
    write_pictures(tmp_path / "images", range(20))
    collection = collection_for(bundle, tmp_path)

    def losing(parts: list[Source], work: Work) -> Generator[Staged]:
        yield from (report for report in reports(parts, work) if report.block.number != 2)

    with pytest.raises(RuntimeError, match="never came back"):
        run_staged(collection, open_source(str(tmp_path / "images")), bundle, engine=losing)

    assert [f"{number:03d}.png" for number in range(8)] == stored_ids(collection)


def test_an_error_of_a_worker_ends_the_job(tmp_path: Path, bundle: Bundle) -> None:
    """It is raised where the job was started; nothing is committed, and nothing stays behind."""
    write_pictures(tmp_path / "images", range(8))
    collection = collection_for(bundle, tmp_path)

    def failing(parts: list[Source], work: Work) -> Generator[Staged]:
        yield next(reports(parts, work))
        raise OSError("a worker's disk")

    with pytest.raises(OSError, match="a worker's disk"):
        run_staged(collection, open_source(str(tmp_path / "images")), bundle, engine=failing)

    assert [] == stored_ids(collection) and not (collection.path / STAGING).exists()


def test_another_bundle_on_a_worker_is_refused(tmp_path: Path, bundle: Bundle) -> None:
    """A worker whose folder holds another model than the job's embeds nothing."""
    write_pictures(tmp_path / "images", range(2))
    collection = collection_for(bundle, tmp_path)
    other = make_tiny_bundle(tmp_path / "other", seed=1)

    def elsewhere(parts: list[Source], work: Work) -> Generator[Staged]:
        yield from reports(parts, Work(**{**vars(work), "bundle": other}))

    with pytest.raises(BundleMismatch, match="another bundle on a worker"):
        run_staged(collection, open_source(str(tmp_path / "images")), bundle, engine=elsewhere)

    with pytest.raises(BundleMismatch, match="not by other"):
        staged_job(collection, open_source(str(tmp_path / "images")), Bundle.open(other))


def test_one_job_at_a_time(tmp_path: Path, bundle: Bundle) -> None:
    """The driver holds the collection's lease as the plain job does."""
    write_pictures(tmp_path / "images", range(2))
    collection = collection_for(bundle, tmp_path)

    with lease(collection.path, "embedding"), pytest.raises(LeaseHeld):
        run_staged(collection, open_source(str(tmp_path / "images")), bundle)


_KILLED = """
import os, signal, sys
from pathlib import Path
from index.collection import Collection
from index.sources import open_source
from models.bundle import Bundle
from tests.index.engines.support import reports, run_staged

root, bundle, fatal = Path(sys.argv[1]), Bundle.open(Path(sys.argv[2])), int(sys.argv[3])

def dying(parts, work):
    for number, report in enumerate(reports(parts, work)):
        if number == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        yield report

run_staged(Collection.open(root, "test"), open_source(str(root / "corpus.jsonl")), bundle, engine=dying)
"""


def test_a_driver_that_is_killed_leaves_nothing_half_done(tmp_path: Path, tiny_bundle: Path, bundle: Bundle) -> None:
    """After `kill -9` the collection is as it was; what was staged lies in its folder, and the next run removes it."""
    source = mixed_corpus(tmp_path)
    collection = collection_for(bundle, tmp_path)

    command = [sys.executable, "-c", _KILLED, str(tmp_path), str(tiny_bundle), "4"]
    died = subprocess.run(command, cwd=REPOSITORY, check=False)

    assert -signal.SIGKILL == died.returncode
    assert [] == stored_ids(collection) and 0 == collection.latest().captions.count_rows()
    assert any((collection.path / STAGING).rglob("data/*.lance"))
    run_staged(collection, open_source(str(source)), bundle)
    assert 30 == len(contents(collection))
    assert not (collection.path / STAGING).exists()
    # nothing but the files of rows that are there
    for dataset in (collection.latest().items, collection.latest().captions):
        named = {file.path for fragment in dataset.get_fragments() for file in fragment.data_files()}
        assert named == {file.name for file in (Path(dataset.uri) / "data").glob("*.lance")}


def test_a_worker_opens_its_bundle_once(tmp_path: Path, bundle: Bundle) -> None:
    """Blocks share what was opened, with the threads that the worker was given."""
    collection = collection_for(bundle, tmp_path)
    work = Work(tmp_path, "test", collection.generation, bundle.path, bundle.digest, tmp_path, SMALL, threads=1)
    worker = Worker(work)

    assert worker._bundle is worker._bundle
    np.testing.assert_array_equal(worker._bundle.embed_texts(["red"]).vectors, bundle.embed_texts(["red"]).vectors)
