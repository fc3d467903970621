"""From a request's options to one page of one ranking."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.lexical.upkeep import index_texts
from index.live.writes import Remove
from service.encoding.embedding import Timings
from service.queries.asking import BEGIN, Asked, Asking
from service.queries.cursors import CursorExpired, CursorInvalid
from service.runtime import Runtime
from service.schemas.query import Hybrid, SearchOptions
from tests.service.test_runtime import is_served, until, with_runtime
from tests.support.collections import make_colours

NAME = "colours"


async def ask(
    runtime: Runtime, excluded: tuple[str, ...] = (), text: str = "a photo of red", **options: object
) -> Asked:
    """One page for a fixed vector."""
    served = runtime.served(NAME)
    vector = np.eye(served.searcher.dim, dtype=np.float32)[0]
    given = SearchOptions.model_validate({"limit": 5, **options})
    return await Asking(runtime, served, vector, text, given, excluded, None).page(Timings(runtime.metrics))


def ids(asked: Asked) -> list[str]:
    """Of the hits."""
    return [hit.id for hit in asked.hits]


@pytest.fixture
def home(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A home whose captions can be searched by words."""
    make_colours(tmp_path, tiny_bundle)
    index_texts(Collection.open(tmp_path / "collections", NAME))
    return tmp_path


def test_the_query_itself_is_left_out_and_its_place_filled(home: Path) -> None:
    """An item that is searched with is no hit; pages by offset and by cursor go on as if it were not there."""

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        whole = ids(await ask(runtime, limit=100, cursor=BEGIN))
        out = whole[2]
        first = await ask(runtime, (out,), cursor=BEGIN)
        second = await ask(runtime, (out,), cursor=first.next)
        assert [each for each in whole if each != out][:10] == ids(first) + ids(second)
        assert [each for each in whole if each != out][3:8] == ids(await ask(runtime, (out,), offset=3, hybrid=None))

    with_runtime(use, home)


def test_a_fused_ranking_is_kept_for_its_later_pages(home: Path) -> None:
    """Pages after a removal are cut from the first page's ranking; when that is lost, the cursor has expired and says so."""

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        hybrid = Hybrid(weight=0.4)
        whole = ids(await ask(runtime, limit=100, hybrid=hybrid))
        first = await ask(runtime, cursor=BEGIN, hybrid=hybrid)
        await runtime.writers.of(NAME).write(Remove(whole[7]))
        second = await ask(runtime, cursor=first.next, hybrid=hybrid)
        assert [each for each in whole if each != whole[7]][:10] == ids(first) + ids(second)
        runtime.cache.memory._entries.clear()  # pyright: ignore[reportPrivateUsage] - as if it had been pushed out
        with pytest.raises(CursorExpired, match="begin again"):
            await ask(runtime, cursor=first.next, hybrid=hybrid)

    with_runtime(use, home)


@pytest.mark.parametrize(
    "other",
    [{"hybrid": {"weight": 0.9}}, {"target": "texts"}, {"filter": {"width": 48}}],
    ids=["words", "target", "filter"],
)
def test_a_cursor_knows_all_that_decides_the_ranking(home: Path, other: dict) -> None:
    """What is asked otherwise is another question; the size of a page is not."""

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        cursor = (await ask(runtime, cursor=BEGIN)).next
        assert 3 == len((await ask(runtime, cursor=cursor, limit=3)).hits)
        with pytest.raises(CursorInvalid, match="another question"):
            await ask(runtime, cursor=cursor, **other)

    with_runtime(use, home)


def test_many_ask_at_once(home: Path) -> None:
    """Side by side, each gets the answer that it gets alone."""

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        texts = [f"a photo of {colour}" for colour in ("red", "green", "blue", "white")]
        alone = [ids(await ask(runtime, text=text, hybrid={})) for text in texts]
        together = await asyncio.gather(*(ask(runtime, text=text, hybrid={}) for text in texts * 5))
        assert alone * 5 == [ids(each) for each in together]

    with_runtime(use, home)
