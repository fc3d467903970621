"""The path of one search, without HTTP."""

import asyncio
import base64
import math
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from models.errors import ImageUnreadable
from service.errors import ItemUnknown, NotReady, QueryInvalid
from service.operations.metrics import Metrics
from service.queries.querying import ImageFile
from service.queries.search import search
from service.runtime import Runtime
from service.schemas.hits import SearchAnswer
from service.schemas.parts import Query
from service.schemas.query import SearchOptions
from service.settings import Settings
from tests.support.collections import colour_picture, make_colours

NAME = "colours"


def ask(home: Path, *queries: Query | ImageFile, **options: object) -> list[SearchAnswer]:
    """The answers to the queries, one after the other, on one runtime."""

    async def use(runtime: Runtime) -> list[SearchAnswer]:
        asked = SearchOptions.model_validate(options)
        return [await search(runtime, NAME, query, asked) for query in queries]

    return run(home, use)


def run(home: Path, use: Callable[[Runtime], Awaitable[list[SearchAnswer]]]) -> list[SearchAnswer]:
    """Run *use* with a loaded runtime."""

    async def started() -> list[SearchAnswer]:
        runtime = Runtime(Settings(home=home), Metrics())
        runtime.start()
        try:
            while not runtime.collections:  # noqa: ASYNC110 - polls real state
                await asyncio.sleep(0.005)
            return await use(runtime)
        finally:
            await runtime.close()

    return asyncio.run(asyncio.wait_for(started(), 30))


def ids(answer: SearchAnswer) -> list[str]:
    """Ids of the hits, in order."""
    return [hit.id for hit in answer.hits]


def in_base64(data: bytes) -> str:
    """As a query carries it."""
    return base64.b64encode(data).decode()


def test_a_text_finds_what_it_names(home: Path) -> None:
    """The best hits of a colour's name are pictures in that colour; the answer says where they come from."""
    (answer,) = ask(home, Query(text="green"), limit=3)

    assert {"green-0", "green-1", "green-2"} == set(ids(answer))
    assert (NAME, "tiny", False, False) == (answer.collection, answer.model, answer.cached, answer.truncated)
    assert answer.snapshot.startswith(f"v{answer.version}-")
    assert {"tokenize", "encode", "search", "total"} == set(answer.took_ms)


def test_every_form_of_a_picture_finds_the_same(home: Path) -> None:
    """An upload, base64 and base64 with a data: prefix are one query."""
    data = colour_picture("purple", 1)
    text = in_base64(data)

    answers = ask(home, ImageFile(data), Query(image=text), Query(image=f"data:image/png;base64,{text}"), limit=2)

    assert ["purple-1"] * 3 == [ids(answer)[0] for answer in answers]
    assert 1 == len({tuple(ids(answer)) for answer in answers})
    assert {"decode", "encode", "search", "total"} == set(answers[0].took_ms)


def test_an_item_finds_its_like_but_not_itself(home: Path) -> None:
    """More like this: the nearest others, never the item that was asked with, however many are wanted."""
    few, many = ask(home, Query(id="blue-1"), limit=2)[0], ask(home, Query(id="blue-1"), limit=100)[0]

    assert {"blue-0", "blue-2"} == set(ids(few))
    assert 23 == len(many.hits)
    assert "blue-1" not in ids(many)


def test_an_item_finds_its_own_captions(home: Path) -> None:
    """From an item to texts: its own captions are among the best."""
    (answer,) = ask(home, Query(id="blue-1"), target="texts", limit=3)

    assert {"blue"} == {hit.caption for hit in answer.hits}


def test_a_vector_finds_what_its_direction_names(home: Path) -> None:
    """A vector counts by its direction: any positive multiple finds the same, with the same scores."""
    vector = (np.arange(16) - 7.3).tolist()

    answers = ask(home, *(Query(vector=[factor * each for each in vector]) for factor in (1, 1e-3, 1e12)))

    assert 1 == len({tuple(ids(answer)) for answer in answers})
    assert np.allclose([hit.score for hit in answers[0].hits], [hit.score for hit in answers[1].hits], atol=1e-5)


def test_scores_fall_and_are_cosines(home: Path) -> None:
    """Hits come best first, and no score leaves [-1, 1] by more than the storage's rounding."""
    for answer in ask(home, Query(text="red"), Query(text="a photo of a dog"), limit=24):
        scores = [hit.score for hit in answer.hits]
        assert sorted(scores, reverse=True) == scores
        assert all(abs(score) < 1 + 1e-5 for score in scores)


@pytest.mark.parametrize("query", [Query(text="orange"), Query(id="orange-0")])
def test_pages_are_slices_of_one_order(home: Path, query: Query) -> None:
    """Pages by offset, laid end to end, are the hits of one long page: none twice, none missing."""

    async def pages(runtime: Runtime) -> list[SearchAnswer]:
        whole = await search(runtime, NAME, query, SearchOptions(limit=12))
        parts = [await search(runtime, NAME, query, SearchOptions(limit=5, offset=at)) for at in (0, 5, 10)]
        return [whole, *parts]

    whole, *parts = run(home, pages)

    assert ids(whole) == [each for part in parts for each in ids(part)][:12]


def test_an_offset_past_the_end_is_an_empty_page(home: Path) -> None:
    """Behind the last hit there is nothing, and no error."""
    (answer,) = ask(home, Query(text="red"), offset=1000)

    assert [] == answer.hits


def test_the_same_question_again_comes_from_the_cache(home: Path) -> None:
    """A repeated query answers the same hits with cached=True; another limit or target is another question."""

    async def use(runtime: Runtime) -> list[SearchAnswer]:
        first = await search(runtime, NAME, Query(text="white"), SearchOptions(limit=4))
        again = await search(runtime, NAME, Query(text="white"), SearchOptions(limit=4))
        longer = await search(runtime, NAME, Query(text="white"), SearchOptions(limit=5))
        captions = await search(runtime, NAME, Query(text="white"), SearchOptions(limit=4, target="texts"))
        return [first, again, longer, captions]

    first, again, longer, captions = run(home, use)

    assert [False, True, False, False] == [each.cached for each in (first, again, longer, captions)]
    assert first.hits == again.hits
    assert (5, True) == (len(longer.hits), captions.hits[0].caption is not None)


def test_the_cache_serves_any_choice_of_parts(home: Path) -> None:
    """What is included is chosen from the stored page: a page cached with few parts does not lose them for others."""

    async def use(runtime: Runtime) -> list[SearchAnswer]:
        options = [(), ("captions",), ("metadata",), ("metadata", "captions")]
        return [
            await search(runtime, NAME, Query(text="red"), SearchOptions(limit=1, include=each)) for each in options
        ]

    hits = [answer.hits[0] for answer in run(home, use)]

    assert [False, True, False, True] == [hit.captions is not None for hit in hits]
    assert [False, False, True, True] == [hit.metadata is not None for hit in hits]
    assert "note" in (hits[3].metadata or {}), "a null in an item's metadata is kept"


def test_a_page_that_is_not_ours_is_not_believed(home: Path) -> None:
    """A cached value of another form is treated as absent."""

    async def use(runtime: Runtime) -> list[SearchAnswer]:
        runtime.cache.put = lambda *_: None  # type: ignore[method-assign]

        async def garbage(_: str) -> bytes:
            return b'{"not": "a page"}'

        runtime.cache.get = garbage  # type: ignore[method-assign]
        return [await search(runtime, NAME, Query(text="red"), SearchOptions(limit=1))]

    (answer,) = run(home, use)

    assert "red" == ids(answer)[0].split("-")[0]
    assert not answer.cached


def test_a_long_text_says_in_how_many_pieces_it_was_read(home: Path) -> None:
    """A text beyond the model's context is read whole, in pieces, from the cache too; beyond the most pieces it is cut."""
    long, longest = "red " * 200, "red " * 4000

    answers = ask(home, Query(text=long), Query(text=long), Query(text="red"), Query(text=longest))

    assert [(7, False), (7, False), (None, False), (64, True)] == [(each.sentences, each.truncated) for each in answers]
    assert ["red"] * 4 == [ids(answer)[0].split("-")[0] for answer in answers]


def test_what_cannot_be_asked_is_refused(home: Path) -> None:
    """Each query that no collection could answer raises the error that names its fault."""
    refused: list[tuple[Query | ImageFile, type[Exception], str]] = [
        (Query(text="x" * 20_001), QueryInvalid, "20,000"),
        (Query(vector=[1.0] * 15), QueryInvalid, "16"),
        (Query(vector=[0.0] * 16), QueryInvalid, "zero"),
        (Query(image="file:///etc/passwd"), QueryInvalid, "base64"),
        (Query(image=in_base64(b"no picture")), ImageUnreadable, "known format"),
        (Query(id="file:///etc/passwd"), ItemUnknown, "passwd"),
        (ImageFile(b""), ImageUnreadable, "known format"),
        (ImageFile(colour_picture("red")[:60]), ImageUnreadable, "truncated"),
    ]
    for query, error, words in refused:
        with pytest.raises(error, match=words):
            ask(home, query)


def test_a_collection_that_is_loading_is_not_ready(home: Path) -> None:
    """Before a collection is loaded a search says so."""

    async def use() -> None:
        runtime = Runtime(Settings(home=home), Metrics())
        try:
            with pytest.raises(NotReady):
                await search(runtime, NAME, Query(text="red"), SearchOptions())
        finally:
            await runtime.close()

    asyncio.run(use())


def test_odd_ids_are_found(tmp_path: Path, tiny_bundle: Path) -> None:
    """Items whose ids hold slashes, quotes and other scripts can be searched with."""
    odd = ["a/b/c", "it's", 'say "hi"', "писк ✓", "100%", "-- drop"]
    make_colours(tmp_path, tiny_bundle, NAME, ids=odd)

    for item_id, answer in zip(odd, ask(tmp_path, *(Query(id=each) for each in odd)), strict=True):
        assert set(odd) - {item_id} == set(ids(answer))
        assert all(math.isfinite(hit.score) for hit in answer.hits)
