"""Pages of one order, whose best hits may stand otherwise."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from service.encoding.embedding import Timings
from service.queries.pages import ByVector, Page, best_first, cached, key_of
from service.queries.turns import Turns
from service.queries.views import Views
from service.runtime import Runtime
from service.schemas.hits import HitView
from service.schemas.query import SearchOptions
from tests.service.test_runtime import is_served, until, with_runtime


def hit(number: int) -> HitView:
    """The hit of that number."""
    return HitView(id=str(number), width=1, height=1, image_url="i", thumbnail_url="t", score=-float(number))


class Numbers:
    """An order of the numbers up to *end*."""

    def __init__(self, end: int) -> None:
        self._end = end

    async def page(self, offset: int, limit: int) -> Page:
        """Those from *offset* on."""
        return Page([hit(number) for number in range(offset, min(self._end, offset + limit))])


def laid(count: int, candidates: int, left_out: int, offset: int, limit: int) -> list[str]:
    """Ids of one page of *count* numbers, of which the best stand in turned order and some of them are left out."""

    async def best() -> Page:
        numbers = list(reversed(range(min(count, candidates))))
        return Page([hit(number) for number in numbers[: max(0, len(numbers) - left_out)]])

    # what is behind one that was left out is left out too
    rest = Numbers(count if not left_out else 0)
    page = asyncio.run(best_first(best, rest, candidates, offset, limit))
    return [each.id for each in page.hits]


counts = st.integers(0, 25)


@given(count=counts, candidates=st.integers(1, 12), left_out=st.integers(0, 3), limit=st.integers(1, 9))
def test_pages_are_slices_of_one_order(count: int, candidates: int, left_out: int, limit: int) -> None:
    """Wherever the best end and the pages do, laid end to end they are one long page: the best anew, then the others."""
    whole = laid(count, candidates, left_out, 0, 100)
    turned = [str(number) for number in reversed(range(min(count, candidates)))]
    behind = [str(number) for number in range(candidates, count)]

    expected = turned + behind if not left_out else turned[: max(0, len(turned) - left_out)]
    assert expected == whole
    pages = [laid(count, candidates, left_out, at, limit) for at in range(0, count + limit, limit)]
    assert whole == [each for page in pages for each in page]


@pytest.mark.parametrize(("offset", "read"), [(0, True), (4, True), (5, False), (9, False)])
def test_the_best_are_read_only_for_pages_that_show_them(offset: int, *, read: bool) -> None:
    """A page behind the candidates costs nothing of what orders them."""
    reads: list[int] = []

    async def best() -> Page:
        reads.append(1)
        return Page([hit(number) for number in range(5)])

    asyncio.run(best_first(best, Numbers(20), 5, offset, 3))

    assert read == bool(reads)


def on_runtime(home: Path, use: Callable[[Runtime], Awaitable[None]]) -> None:
    """Run *use* once "colours" is served."""

    async def ready(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        await use(runtime)

    with_runtime(ready, home)


def test_every_part_of_a_question_makes_another_key(home: Path) -> None:
    """Kind, options, vector: two questions that differ anywhere do not share a key; equal ones do."""

    async def use(runtime: Runtime) -> None:
        served = runtime.served("colours")
        one, other = np.eye(2, 16, dtype=np.float32)
        asked: list[tuple[str, list[object], np.ndarray]] = [
            ("p", ["images", 5], one),
            ("r", ["images", 5], one),
            ("p", ["texts", 5], one),
            ("p", ["images", 5, None], one),
            ("p", ["images", 5], other),
        ]
        keys = [key_of(kind, served, question, vector) for kind, question, vector in asked]
        assert len(keys) == len({*keys})
        assert keys == [key_of(kind, served, question, vector) for kind, question, vector in asked]

    on_runtime(home, use)


def test_what_is_left_out_is_its_places_neighbours(home: Path) -> None:
    """However many items are left out, and whichever, the order of the others is the plain one."""

    async def use(runtime: Runtime) -> None:
        served = runtime.served("colours")
        vector = np.eye(1, 16, dtype=np.float32)[0]

        async def ids(excluded: tuple[str, ...], offset: int = 0, limit: int = 100) -> list[str]:
            timings, views = Timings(runtime.metrics), Views("colours")
            by_vector = ByVector(runtime, served, vector, SearchOptions(), excluded, None, views, timings)
            return [each.id for each in (await by_vector.page(offset, limit)).hits]

        plain = await ids(())
        for excluded in ([0], [0, 1, 2], [23], [5, 11, 17], range(24)):
            gone = tuple(plain[place] for place in excluded)
            left = [each for each in plain if each not in gone]
            assert left == await ids(gone)
            assert left[3:8] == await ids(gone, 3, 5)

    on_runtime(home, use)


@given(data=st.binary(max_size=40))
def test_what_is_not_ours_in_the_cache_is_absent(data: bytes) -> None:
    """Bytes of another form, under our key, are no answer."""
    form = TypeAdapter(list[HitView])

    class Holding:
        cache, turns = property(lambda self: self), Turns()

        async def get(self, _: str) -> bytes:
            return data

    found = asyncio.run(cached(Holding(), "key", form))  # type: ignore[arg-type]

    assert found is None or data.strip() == b"[]"
