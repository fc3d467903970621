"""The embedding job under kill -9: nothing committed is lost or computed again, nothing is there twice."""

import hashlib
import signal
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.options import EmbedOptions
from index.sources import open_source
from models.bundle import Bundle
from tests.index.support import (
    collection_for,
    counting,
    live_captions,
    run_job,
    stored_ids,
    write_pictures,
    write_table,
)
from tests.support.forked import Child, run_code

IMAGES = 64
OPTIONS = EmbedOptions(image_batch=4, text_batch=8, chunk_rows=12, window=16)

# Runs the job and dies by SIGKILL before or after its n-th write of a Lance dataset, or when it is killed from outside.
CHILD = """
import os, signal, sys, time
from pathlib import Path
import lance
from index.collection import Collection
from index.sources import open_source
from models.bundle import Bundle
from tests.faults.test_embed_kill import OPTIONS
from tests.index.support import run_job

root, bundle, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
number, pause = int(sys.argv[4]), float(sys.argv[5])

class Slow(Bundle):
    def embed_images(self, pixels):
        time.sleep(pause)
        print("batch", flush=True)
        return super().embed_images(pixels)

write, count = lance.LanceDataset.commit, 0

def counted(*arguments, **options):
    global count
    count += 1
    if count == number and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    written = write(*arguments, **options)
    if count == number and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return written

lance.LanceDataset.commit = staticmethod(counted)
run_job(Collection.open(root, "test"), open_source(str(root / "corpus.jsonl")), Slow.open(bundle), OPTIONS)
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with captions, some of them shared between items."""
    root = tmp_path_factory.mktemp("corpus")
    names = write_pictures(root / "images", range(IMAGES))
    rows = [{"path": f"images/{name}", "captions": [f"dog {name}", "red"][: n % 3]} for n, name in enumerate(names)]
    write_table(root / "corpus.jsonl", rows)
    return root


def _start(root: Path, bundle: Path, moment: str, number: int, pause: float = 0.0) -> Child:
    return run_code(CHILD, str(root), str(bundle), moment, str(number), str(pause))


def _prepare(root: Path, corpus: Path, bundle: Path) -> Collection:
    (root / "corpus.jsonl").write_text((corpus / "corpus.jsonl").read_text())
    (root / "images").symlink_to(corpus / "images")
    return collection_for(Bundle.open(bundle), root)


def _check_and_resume(root: Path, corpus: Path, bundle_path: Path) -> int:
    """After a kill: whole rows only; resumed: every row once, equal to a run that was never killed. Rows kept."""
    killed = Collection.open(root, "test")
    kept = {record.id: record for record in killed.first(IMAGES)}
    assert sorted(
        (each.id, at, text) for each in kept.values() for at, text in enumerate(each.captions)
    ) == live_captions(killed)

    bundle = counting(bundle_path)
    source = open_source(str(root / "corpus.jsonl"))
    summary = run_job(Collection.open(root, "test"), source, bundle, OPTIONS)
    assert (len(kept), IMAGES - len(kept)) == (summary.unchanged, summary.embedded)
    _nothing_twice(bundle.pixels, bundle_path, corpus, kept=set(kept))

    whole = collection_for(bundle, root, "whole")
    run_job(whole, source, bundle, OPTIONS)
    mended = Collection.open(root, "test")
    assert [f"images/{number:03d}.png" for number in range(IMAGES)] == stored_ids(mended)
    assert live_captions(whole) == live_captions(mended)
    # no caption row is left that does not count
    assert len(live_captions(mended)) == mended.captions.count_rows()
    ids = stored_ids(whole)
    assert [whole.get(each) for each in ids] == [mended.get(each) for each in ids]
    expected, found = whole.vectors(ids), mended.vectors(ids)
    for each in ids:
        np.testing.assert_allclose(expected[each], found[each], atol=2e-3)
    return len(kept)


def _nothing_twice(pixels: list[bytes], bundle_path: Path, corpus: Path, kept: set[str]) -> None:
    """The resumed job's inferences are those of the rows that were missing, each once."""
    bundle = Bundle.open(bundle_path)
    missing = [number for number in range(IMAGES) if f"images/{number:03d}.png" not in kept]
    expected = [bundle.prepare((corpus / f"images/{number:03d}.png").read_bytes()).tobytes() for number in missing]
    assert sorted(map(_digest, expected)) == sorted(map(_digest, pixels))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Writes alternate: captions of a chunk, then its items. 1 = the first chunk's captions, 4 = the second chunk's items.
@pytest.mark.parametrize(
    ("moment", "number", "chunks"),
    [("before", 1, 0), ("after", 1, 0), ("after", 2, 1), ("after", 3, 1), ("after", 4, 2)],
)
def test_a_job_killed_at_a_write_resumes(
    tmp_path: Path, corpus: Path, tiny_bundle: Path, moment: str, number: int, chunks: int
) -> None:
    """Between any two writes: the chunks committed so far stay, the others leave nothing that a reader sees."""
    _prepare(tmp_path, corpus, tiny_bundle)

    status, _ = _start(tmp_path, tiny_bundle, moment, number).end()

    assert -signal.SIGKILL == status
    assert chunks * OPTIONS.chunk_rows == _check_and_resume(tmp_path, corpus, tiny_bundle)


@pytest.mark.parametrize("kills", [(1, 2), (9, 4)])
def test_a_job_killed_at_any_time_resumes(
    tmp_path: Path, corpus: Path, tiny_bundle: Path, kills: tuple[int, int]
) -> None:
    """Killed from outside in the middle of its work, and killed again while it resumes."""
    _prepare(tmp_path, corpus, tiny_bundle)
    for batches in kills:
        child = _start(tmp_path, tiny_bundle, "never", 0, pause=0.02)
        for _ in range(batches):
            assert "batch\n" == child.stdout.readline()
        child.process.kill()
        assert -signal.SIGKILL == child.end()[0]
    kept = _check_and_resume(tmp_path, corpus, tiny_bundle)
    assert 0 == kept % OPTIONS.chunk_rows
