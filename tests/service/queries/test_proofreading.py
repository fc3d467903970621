"""A text beside pictures, without HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from index.errors import PatchesMissing
from models.errors import ImageUnreadable
from models.proof import Proof, WordProof
from service.errors import CannotProofread, ItemUnknown, NotReady, QueryInvalid
from service.operations.metrics import Metrics
from service.queries.proofreading import proofread_items, proofread_pictures, word_views
from service.runtime import Runtime
from service.settings import Settings

TEXT = "a red picture"
Made = TypeVar("Made")


def run(home: Path, use: Callable[[Runtime], Awaitable[Made]], **settings: int) -> Made:
    """Run *use* with a loaded runtime."""

    async def started() -> Made:
        runtime = Runtime(Settings(home=home, **settings), Metrics())  # type: ignore[arg-type]
        runtime.start()
        try:
            while len(runtime.collections) < 4:  # noqa: ASYNC110 - polls real state
                await asyncio.sleep(0.005)
            return await use(runtime)
        finally:
            await runtime.close()

    return asyncio.run(asyncio.wait_for(started(), 60))


def picture(home: Path, name: str) -> bytes:
    """The file of an item of "painted"."""
    return (home / "painted" / name).read_bytes()


def test_the_proofreader_decides_what_is_contradicted() -> None:
    """A word counts as contradicted where the proofreader says so, whatever its support."""
    told = (0.0, True), (0.6, True), (0.6, False), (1.0, False), (None, False)
    words = tuple(WordProof("x", 0, 1, support, (), contradicted) for support, contradicted in told)

    views = word_views(Proof("x", words, -1.0, 4))

    assert [*told] == [(view.support, view.contradicted) for view in views]


def test_a_picture_is_encoded_once(painted: Path) -> None:
    """A picture that comes again, alone or beside others, is taken from the cache; the text is read anew."""

    async def use(runtime: Runtime) -> float | None:
        name = runtime.served("painted").model.bundle.manifest.name
        pictures = [partial(picture, painted, each) for each in ("red-0.png", "blue-0.png")]
        first = await proofread_pictures(runtime, name, pictures, TEXT)
        again = await proofread_pictures(runtime, name, pictures[1:], TEXT)
        assert first.proofs[1].words == again.proofs[0].words
        return runtime.metrics.registry.get_sample_value("vilem_batch_size_sum", {"queue": "proof-image"})

    assert 2 == run(painted, use)


def test_many_pictures_fit_a_short_queue(painted: Path) -> None:
    """A request of more pictures than the queues are long is answered by an idle service."""

    async def use(runtime: Runtime) -> int:
        name = runtime.served("painted").model.bundle.manifest.name
        pictures = [partial(picture, painted, "green-1.png")] * 20
        return len((await proofread_pictures(runtime, name, pictures, TEXT)).proofs)

    assert 20 == run(painted, use, max_queue=2)


def test_the_first_fault_is_told(painted: Path) -> None:
    """Whatever is wrong is raised by itself, not as a group, and before anything is computed where it can be known."""

    async def use(runtime: Runtime) -> None:
        name = runtime.served("painted").model.bundle.manifest.name
        good = partial(picture, painted, "red-0.png")
        with pytest.raises(ImageUnreadable):
            await proofread_pictures(runtime, name, [good, lambda: b"no picture"], TEXT)
        with pytest.raises(CannotProofread):
            await proofread_pictures(runtime, "tiny", [lambda: pytest.fail("read")], TEXT)
        with pytest.raises(QueryInvalid, match="20,000"):
            await proofread_items(runtime, "painted", ["red-0.png"], "x" * 20_001)
        with pytest.raises(ItemUnknown, match="nowhere"):
            await proofread_items(runtime, "painted", ["red-0.png", "nowhere"], TEXT)
        with pytest.raises(PatchesMissing, match="vilem index build bare"):
            await proofread_items(runtime, "bare", ["red-0.png"], TEXT)

    run(painted, use)


def test_before_it_is_loaded_it_is_not_ready(painted: Path) -> None:
    """A service that still loads says so."""

    async def use() -> None:
        runtime = Runtime(Settings(home=painted), Metrics())
        try:
            with pytest.raises(NotReady):
                await proofread_items(runtime, "painted", ["red-0.png"], TEXT)
        finally:
            await runtime.close()

    asyncio.run(use())
