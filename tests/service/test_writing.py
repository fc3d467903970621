"""Writes of many requests become few commits."""

import asyncio
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.errors import BundleMismatch
from index.live.changes import Commits
from index.live.writes import Put, Remove
from index.schema import Record
from index.searcher import Searcher
from models.bundle import Bundle
from service.errors import CollectionUnknown, NotReady
from service.operations.metrics import Metrics
from service.runtime import Runtime
from service.served import Served
from service.settings import Settings
from service.writing import Writers
from tests.service.test_runtime import is_served, until, with_runtime
from tests.support.collections import make_colours

NAME = "colours"


def put(number: int, digest: str, dim: int) -> Put:
    """A new item."""
    vector = np.eye(dim, dtype=np.float32)[number % dim]
    return Put(Record(f"new-{number}", "", "", 0, 0), vector, np.zeros((0, dim), np.float32), digest)


def test_changes_that_wait_share_a_commit(tmp_path: Path, tiny_bundle: Path) -> None:
    """Thirty changes at once take few commits; each is told the version that shows it, and the served one does."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        before = runtime.served(NAME).searcher
        writer = runtime.writers.of(NAME)
        written = await asyncio.gather(
            *(writer.write(put(number, manifest.digest(), manifest.dim)) for number in range(30))
        )
        after = runtime.served(NAME).searcher
        assert before.count + 30 == after.count
        assert all(each.outcome == "created" and each.version <= after.version for each in written)
        assert after.version - before.version <= 5
        assert all(after.record(f"new-{number}") for number in range(30))

    with_runtime(use, tmp_path)


def test_one_bad_change_fails_alone(tmp_path: Path, tiny_bundle: Path) -> None:
    """What is refused is told to its own caller; what waited beside it is written."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        writer = runtime.writers.of(NAME)
        good, bad, gone = await asyncio.gather(
            writer.write(put(1, manifest.digest(), manifest.dim)),
            writer.write(put(2, "another model", manifest.dim)),
            writer.write(Remove("nobody")),
            return_exceptions=True,
        )
        assert not isinstance(good, BaseException) and good.outcome == "created"
        assert isinstance(bad, BundleMismatch)
        assert not isinstance(gone, BaseException) and gone.outcome == "absent"
        assert runtime.served(NAME).searcher.record("new-1")
        assert runtime.served(NAME).searcher.record("new-2") is None

    with_runtime(use, tmp_path)


def test_changes_are_made_in_their_order(tmp_path: Path, tiny_bundle: Path) -> None:
    """Put, remove and put again of one item, sent one after the other without waiting: the last one holds."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        writer, change = runtime.writers.of(NAME), put(3, manifest.digest(), manifest.dim)
        told = await asyncio.gather(
            *(writer.write(each) for each in (change, Remove(change.id), change, Remove(change.id)))
        )
        assert ["created", "removed", "created", "removed"] == [each.outcome for each in told]
        assert runtime.served(NAME).searcher.record(change.id) is None

    with_runtime(use, tmp_path)


def test_a_collection_that_was_made_anew_is_written_to(tmp_path: Path, tiny_bundle: Path) -> None:
    """A writer stays with a collection, and not with its name's old files: what was removed and made again is followed."""
    make_colours(tmp_path, tiny_bundle)
    manifest, served = Bundle.open(tiny_bundle).manifest, dict[str, Served]()

    async def write() -> None:
        writers = Writers(Settings(home=tmp_path), Metrics(), lambda name, _: served[name])
        try:
            for number in (1, 2):
                searcher = Searcher.open(tmp_path / "collections", NAME)
                served[NAME] = Served(searcher, None, None, 1.0)  # pyright: ignore[reportArgumentType] - nothing is searched
                await writers.of(NAME).write(put(number, manifest.digest(), manifest.dim))
                if number == 1:
                    shutil.rmtree(tmp_path / "collections" / NAME)
                    make_colours(tmp_path, tiny_bundle)
        finally:
            writers.close()

    asyncio.run(write())

    found = Collection.open(tmp_path / "collections", NAME)
    assert found.get("new-1") is None and found.get("new-2") is not None


def test_what_is_served_no_more_is_durable_all_the_same(tmp_path: Path, tiny_bundle: Path) -> None:
    """A collection that vanishes from the catalogue between commit and answer: the caller is told, and the row is there."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest
    settings = Settings(home=tmp_path)

    def gone(name: str, _: Commits) -> None:
        raise CollectionUnknown(name)

    async def write() -> None:
        writers = Writers(settings, Metrics(), gone)  # pyright: ignore[reportArgumentType] - never returns
        try:
            with pytest.raises(CollectionUnknown):
                await writers.of(NAME).write(put(1, manifest.digest(), manifest.dim))
        finally:
            writers.close()
        with pytest.raises(CollectionUnknown, match="shutting down"):
            writers.of(NAME)

    asyncio.run(write())

    assert Collection.open(tmp_path / "collections", NAME).get("new-1")


def test_a_writer_ends_with_its_collection(tmp_path: Path, tiny_bundle: Path) -> None:
    """What is served no more keeps no thread and no process; under its name another writer begins."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        first = runtime.writers.of(NAME)
        await first.write(put(1, manifest.digest(), manifest.dim))
        assert runtime.writers.of(NAME) is first

        shutil.move(tmp_path / "collections" / NAME, tmp_path / "away")
        await until(lambda: not any(each.name.startswith("batch-write") for each in threading.enumerate()))
        with pytest.raises(NotReady):
            await first.write(put(2, manifest.digest(), manifest.dim))

        shutil.move(tmp_path / "away", tmp_path / "collections" / NAME)
        await until(lambda: is_served(runtime, NAME))
        await runtime.writers.of(NAME).write(put(3, manifest.digest(), manifest.dim))
        assert runtime.served(NAME).searcher.record("new-3")

    with_runtime(use, tmp_path)


def test_a_closed_writer_refuses(tmp_path: Path, tiny_bundle: Path) -> None:
    """After the end nothing is taken that would not be written."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        writer = runtime.writers.of(NAME)
        await asyncio.to_thread(runtime.writers.close)
        with pytest.raises(NotReady, match="shutting down"):
            await writer.write(put(1, manifest.digest(), manifest.dim))

    with_runtime(use, tmp_path)
