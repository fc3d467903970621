"""What a service does for its collections beside answering."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.lease import lease
from index.live.writes import Put
from index.maintenance import MAX_LOOSE
from index.schema import Record
from index.searcher import Searcher
from models.bundle import Bundle
from service.operations.upkeep import TURN_FILE, Upkeep
from service.runtime import Runtime
from service.settings import Settings
from tests.service.test_runtime import is_served, until, with_runtime
from tests.support.collections import make_colours

NAME = "colours"


async def write(runtime: Runtime, digest: str, dim: int, count: int) -> None:
    """Items, each in a commit of its own."""
    for number in range(count):
        vector = np.eye(dim, dtype=np.float32)[number % dim]
        record = Record(f"new-{number}", "", "", 0, 0)
        await runtime.writers.of(NAME).write(Put(record, vector, np.zeros((0, dim), np.float32), digest))


def test_a_long_tail_is_published(tmp_path: Path, tiny_bundle: Path) -> None:
    """From the limit on, without being asked: a new snapshot takes over, and has what was written."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        old = runtime.served(NAME).searcher.manifest.id
        await write(runtime, manifest.digest(), manifest.dim, 5)
        await until(lambda: runtime.served(NAME).searcher.manifest.id != old)
        served = runtime.served(NAME).searcher
        assert 29 == served.count
        assert served.unpublished < 5

    with_runtime(use, tmp_path, publish_rows=5)


def test_small_files_are_merged(tmp_path: Path, tiny_bundle: Path) -> None:
    """Many commits leave few files, and nothing is published for it."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest

    def files() -> int:
        return len(Collection.open(tmp_path / "collections", NAME).items.get_fragments())

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        old = runtime.served(NAME).searcher.manifest.id
        await write(runtime, manifest.digest(), manifest.dim, MAX_LOOSE + 16)
        await until(lambda: files() <= MAX_LOOSE)
        assert old == runtime.served(NAME).searcher.manifest.id
        assert 24 + MAX_LOOSE + 16 == runtime.served(NAME).searcher.count

    with_runtime(use, tmp_path, publish_rows=0)


def test_a_job_keeps_the_service_from_publishing_and_not_from_answering(
    tmp_path: Path, tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While another process holds the collection, the tail grows on, is searched, and it is told once."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        with lease(tmp_path / "collections" / NAME, "embedding"):
            await write(runtime, manifest.digest(), manifest.dim, 6)
            await until(lambda: "could not be published" in caplog.text)
            await asyncio.sleep(0.1)
        assert 30 == runtime.served(NAME).searcher.count
        assert 1 == caplog.text.count("could not be published")

    with_runtime(use, tmp_path, publish_rows=5)


def test_the_end_of_a_service_ends_its_child(tmp_path: Path, tiny_bundle: Path) -> None:
    """Nothing is left behind that computes for nobody."""
    make_colours(tmp_path, tiny_bundle)
    manifest = Bundle.open(tiny_bundle).manifest
    children: list[Upkeep] = []

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        await write(runtime, manifest.digest(), manifest.dim, 6)
        await until(lambda: runtime._upkeep._child is not None)
        children.append(runtime._upkeep)

    with_runtime(use, tmp_path, publish_rows=5)

    child = children[0]._child
    assert child is None or child.poll() is not None


def test_one_process_of_a_home_looks_after_it(tmp_path: Path, tiny_bundle: Path) -> None:
    """Of two that serve one home the first keeps it tidy; the second does once the first has ended, and not before."""
    make_colours(tmp_path, tiny_bundle)
    settings = Settings(home=tmp_path, publish_rows=0)
    first, second = Upkeep(settings), Upkeep(settings)
    kept: list[str] = []
    searcher = Searcher.open(tmp_path / "collections", NAME)

    def look(upkeep: Upkeep, who: str) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Searcher, "tidy", lambda _: kept.append(who))
            upkeep.look([searcher])

    for upkeep, who in ((first, "first"), (second, "second"), (first, "first")):
        look(upkeep, who)
    first.close()
    look(second, "second")
    second.close()
    searcher.close()

    assert ["first", "first", "second"] == kept


def test_where_no_lock_can_be_made_each_looks_after_its_own(tmp_path: Path, tiny_bundle: Path) -> None:
    """A folder of collections that cannot be written to is no reason to leave them untidy."""
    make_colours(tmp_path, tiny_bundle)
    upkeep = Upkeep(Settings(home=tmp_path))
    (tmp_path / "collections" / TURN_FILE).mkdir()

    assert upkeep._is_ours()
