"""Texts of any length become vectors."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import TextInvalid
from service.encoding.embedding import Timings
from service.encoding.models import Model
from service.errors import QueryInvalid
from service.queries.long_texts import Read, parted, pieces_of, read_pieces
from service.queries.sentences import MAX_PIECES
from service.runtime import Runtime
from tests.service.test_runtime import is_served, until, with_runtime

# the context of the tests' bundle is 32 tokens: markers, and 30 words
SHORT = "a photo of red."
LONG = "A photo of a red square. A blue circle on the left! " + "the dog and the cat, " * 20


def on_model(home: Path, use: Callable[[Runtime, Model], Awaitable[None]]) -> None:
    """Run *use* with the model of "colours"."""

    async def ready(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        await use(runtime, runtime.served("colours").model)

    with_runtime(ready, home)


async def read(runtime: Runtime, model: Model, text: str) -> Read:
    """What is read of *text*."""
    timings = Timings(runtime.metrics)
    pieces = await pieces_of(runtime, model, text, timings, field="query.text")
    return await read_pieces(runtime, model, pieces, timings, field="query.text")


def test_a_text_that_fits_is_read_at_once(home: Path, tiny_bundle: Path) -> None:
    """Its vector is the bundle's, sentences or not."""

    async def use(runtime: Runtime, model: Model) -> None:
        for text in (SHORT, "Red. Blue. Green."):
            found = await read(runtime, model, text)
            assert (None, False) == (found.sentences, found.truncated)
            assert np.allclose(Bundle.open(tiny_bundle).embed_texts([text]).vectors[0], found.vector, atol=1e-5)

    on_model(home, use)


def test_a_long_text_is_the_mean_of_its_sentences(home: Path, tiny_bundle: Path) -> None:
    """Unit vectors of the pieces, of which none is cut, weighed by their tokens, summed and scaled to unit length."""
    bundle = Bundle.open(tiny_bundle)
    # the last sentence is itself beyond the context: whole clauses of five words, of which six fit
    pieces = ["A photo of a red square. ", "A blue circle on the left! "]
    clause = "the dog and the cat, "
    fitting = max(count for count in range(1, 20) if not bundle.embed_texts([clause * count]).truncated[0])
    pieces += [clause * min(fitting, 20 - at) for at in range(0, 20, fitting)]

    async def use(runtime: Runtime, model: Model) -> None:
        embedded = bundle.embed_texts(pieces)
        assert not embedded.truncated.any()
        total = (bundle.tokenizer.encode(pieces).lengths - 2) @ embedded.vectors

        found = await read(runtime, model, LONG)

        assert (len(pieces), False) == (found.sentences, found.truncated)
        assert np.allclose(total / np.linalg.norm(total), found.vector, atol=1e-5)
        assert np.array_equal(found.vector, (await read(runtime, model, LONG)).vector), "from the cache the same"

    on_model(home, use)


@pytest.mark.parametrize(
    ("words", "pieces", "whole"), [(30 * MAX_PIECES, MAX_PIECES, True), (30 * 80, MAX_PIECES, False)]
)
def test_the_number_of_pieces_is_bounded(home: Path, words: int, pieces: int, *, whole: bool) -> None:
    """Of an endless text so many pieces are read, and it says that its end is lost."""

    async def use(runtime: Runtime, model: Model) -> None:
        found = parted(model, "dog " * words)
        assert (pieces, True, whole) == (len(found.tokens), found.parted, not found.truncated)
        answer = await read(runtime, model, "dog " * words)
        assert (pieces, not whole) == (answer.sentences, answer.truncated)

    on_model(home, use)


def test_what_is_no_text_is_refused(home: Path) -> None:
    """Half a surrogate pair, and more characters than the setting allows, with the field's name."""

    async def use(runtime: Runtime, model: Model) -> None:
        with pytest.raises(TextInvalid):
            await read(runtime, model, "red \ud800")
        with pytest.raises(QueryInvalid) as caught:
            await pieces_of(runtime, model, "x" * 20_001, Timings(runtime.metrics), field="query.parts.3.text")
        assert "query.parts.3.text" == caught.value.field

    on_model(home, use)


def test_pictures_hold_up_no_text(home: Path) -> None:
    """While every thread for pictures is busy, a text of any length is read."""

    async def use(runtime: Runtime, model: Model) -> None:
        gate = threading.Event()
        threads = len(runtime.decoders._calls._workers)
        held = [asyncio.ensure_future(runtime.decoders.run(lambda: gate.wait(30))) for _ in range(threads)]
        async with asyncio.timeout(25):
            assert (await read(runtime, model, LONG)).sentences
        gate.set()
        assert all(await asyncio.gather(*held))

    on_model(home, use)
