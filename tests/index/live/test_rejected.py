"""Which ids are rejects, for a writer that stays, and what live writes do to them."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from index.collection import Collection
from index.datasets import REJECTS
from index.errors import CollectionInvalid
from index.live import rejected as module
from index.live.rejected import RejectedIds
from index.live.writes import Change, Remove, apply
from index.schema import Reject
from tests.index.live.test_writes import put
from tests.index.support import empty_collection


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was read of rejects, from now on."""
    found: list[Path] = []
    read = module.open_dataset

    def counting(path: Path) -> object:
        found.append(path)
        return read(path)

    monkeypatch.setattr(module, "open_dataset", counting)
    return found


def rejects(collection: Collection) -> list[str]:
    """Their ids."""
    return [each.id for each in collection.rejects()]


def noted(collection: Collection, *ids: str) -> None:
    """Note them, as another process does, and let time go by."""
    other = Collection.open(collection.home.parent, "test")
    other.note_rejects([Reject(each, f"file:///{each}", "missing-file", "", "now") for each in ids], [])
    long_ago(collection)


def long_ago(collection: Collection) -> None:
    """Let it be a while since rejects were noted last."""
    versions = collection.path / REJECTS / "_versions"
    then = versions.stat().st_mtime_ns - 10**10
    os.utime(versions, ns=(then, then))


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ([put(1)], ["item-1", "item-2"]),
        ([put(1), Remove("item-1")], ["item-2"]),
        ([put(1), Remove("item-0")], ["item-1", "item-2"]),
        ([Remove("item-1"), Remove("nobody")], ["item-0", "item-2"]),
        # it is not there: nothing was written
        ([put(1, keeps=True)], ["item-0", "item-1", "item-2"]),
        ([put(1, keeps=True), put(2), put(3, keeps=True)], ["item-1", "item-2"]),
    ],
)
def test_what_is_written_or_removed_is_no_reject(tmp_path: Path, changes: Sequence[Change], left: list[str]) -> None:
    """A live write of an item, or its removal, found or not, takes it out of the rejects; others stay."""
    collection = empty_collection(tmp_path)
    noted(collection, "item-0", "item-1", "item-2")

    apply(collection, changes)

    assert left == rejects(collection)


def test_they_go_in_one_commit(tmp_path: Path) -> None:
    """However many ids are written and removed together, the rejects get one more version; without rejects none."""
    collection = empty_collection(tmp_path)
    noted(collection, "item-0", "item-1", "other")
    versions = collection.path / REJECTS / "_versions"
    before = len(list(versions.iterdir()))

    apply(collection, [put(1), put(2, 1), Remove("other")])
    assert (before + 1, []) == (len(list(versions.iterdir())), rejects(collection))

    apply(collection, [put(3), Remove("other")])
    assert before + 1 == len(list(versions.iterdir()))


def test_writes_read_nothing_of_rejects(tmp_path: Path, reads: list[Path]) -> None:
    """A writer that stays reads them once, and again only when somebody noted some."""
    collection = empty_collection(tmp_path)
    long_ago(collection)
    for number in range(5):
        apply(collection, [put(number + 1), Remove("nobody")])
    assert 1 == len(reads)

    noted(collection, "item-2")
    apply(collection, [put(6)])
    apply(collection, [put(7)])
    assert 2 == len(reads)
    apply(collection, [put(8, 2)])
    assert [] == rejects(collection)


def test_what_was_noted_a_moment_ago_is_seen(tmp_path: Path) -> None:
    """Two commits within one tick of the clock of files are two: nothing is taken for known that is so young."""
    collection = empty_collection(tmp_path)
    known = RejectedIds(collection.path)
    versions = collection.path / REJECTS / "_versions"
    assert [] == known.among(["a"])
    tick = versions.stat().st_mtime_ns

    collection.note_rejects([Reject("a", "file:///a", "missing-file", "", "now")], [])
    os.utime(versions, ns=(tick, tick))

    assert ["a"] == known.among(["b", "a", "a"])


def test_rejects_that_are_gone_are_told_first(tmp_path: Path) -> None:
    """A collection without its dataset of rejects is damaged: that is said, and nothing is written."""
    collection = empty_collection(tmp_path)
    shutil.rmtree(collection.path / REJECTS)

    with pytest.raises(CollectionInvalid, match="missing or damaged"):
        apply(collection, [put(1)])

    assert 0 == collection.latest().count()


def test_a_kill_before_the_items_leaves_what_was_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A put that never came to its commit changes nothing: what was noted of the item still is."""
    collection = empty_collection(tmp_path)
    noted(collection, "item-0")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Collection, "add", killed)
        apply(collection, [put(1)])

    assert ["item-0"] == rejects(collection)
