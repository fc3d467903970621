"""index.commits: chunks are written in a thread of their own, one at a time."""

import errno
import threading
from pathlib import Path

import pytest

from index import table as table_module
from index.collection import Collection
from index.commits import Chunk, Committer
from index.errors import StorageFull
from index.schema import Reject
from tests.index.support import empty_collection, entry
from tests.index.test_moments import video_entry

REJECT = Reject("item-00002", "file:///2", "missing-file", "not there", "2026-01-01T00:00:00+00:00")


def test_a_chunk_is_written_whole(tmp_path: Path) -> None:
    """Entries and rejects are there after waiting, and rows are counted."""
    collection = empty_collection(tmp_path)
    with Committer(collection) as committer:
        committer.submit(Chunk([entry(1)], [REJECT]))
        committer.submit(Chunk([entry(3)]))
        committer.finish()
        assert 2 == committer.committed
    assert (2, [REJECT]) == (collection.count(), collection.rejects())


def test_what_succeeds_leaves_the_rejects(tmp_path: Path) -> None:
    """An id that was written, or was found unchanged, is no reject any more."""
    collection = empty_collection(tmp_path)
    for chunk in (Chunk([entry(2)]), Chunk([], [], ["item-00002"])):
        collection.note_rejects([REJECT], [])
        with Committer(collection) as committer:
            committer.submit(chunk)
            committer.finish()
        assert [] == collection.rejects()


def test_a_chunk_is_measured_in_rows() -> None:
    """Unchanged items count little, so that a second run over millions commits seldom, and yet at last."""
    assert 2 == Chunk([entry(1)], [REJECT]).size()
    assert 1 == Chunk([], [], ["a"] * 16).size()
    assert 0 == Chunk().size()


def test_one_chunk_at_most_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk makes the job wait instead of piling chunks up."""
    writing, may_go = threading.Semaphore(0), threading.Event()
    together: list[int] = []

    def slow(_: Collection, entries: list[object]) -> None:
        together.append(len(entries))
        writing.release()
        assert may_go.wait(10)

    monkeypatch.setattr(Collection, "add", slow)
    with Committer(empty_collection(tmp_path)) as committer:
        committer.submit(Chunk([entry(1)]))
        assert writing.acquire(timeout=10)
        second = threading.Thread(target=committer.submit, args=(Chunk([entry(2)]),))
        second.start()
        second.join(0.2)
        assert second.is_alive() and [1] == together
        may_go.set()
        second.join()
    assert [1, 1] == together


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("LanceError(IO): … No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    """ENOSPC, bare or inside Lance's error, names the folder, what is safe, and what to do; earlier rows stay."""
    collection = empty_collection(tmp_path)
    collection.add([entry(1)])

    def full(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch, Committer(collection) as committer:
        patch.setattr(table_module, "put", full)
        committer.submit(Chunk([entry(2)]))
        with pytest.raises(StorageFull, match="free some and run the same command again; the 1 items"):
            committer.finish()
    assert ["item-00001"] == [record.id for record in Collection.open(tmp_path, "test").first(9)]


def test_other_errors_of_the_disk_stay_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails is not reported as full."""

    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, Committer(empty_collection(tmp_path)) as committer:
        patch.setattr(Collection, "add", broken)
        committer.submit(Chunk([entry(1)]))
        with pytest.raises(OSError, match="Input/output"):
            committer.wait()


def test_look_ups_are_indexed_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The B-trees follow the rows while a long job runs, not only at its end."""
    calls: list[int] = []
    monkeypatch.setattr(Collection, "index_ids", lambda _: calls.append(1))
    with Committer(empty_collection(tmp_path)) as committer:
        for number in range(33):
            committer.submit(Chunk([entry(number)]))
        committer.wait()
    assert 2 == len(calls)


def test_moments_count_as_rows() -> None:
    """A chunk of videos is as large as what is written of them."""
    video = video_entry(1, [0.0, 1.0, 2.0])

    assert (5, 1) == (Chunk([entry(2), video]).size(), Chunk([entry(2)]).size())
