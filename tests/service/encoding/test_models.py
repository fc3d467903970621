"""A bundle behind its batchers."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import TextInvalid
from service.encoding.models import Model, Tokens
from service.errors import NotReady
from service.operations.metrics import Metrics
from service.settings import Settings
from tests.support.images import encoded, picture
from tests.support.tiny_bundle import make_tiny_bundle


@pytest.mark.parametrize("causal", [True, False])
def test_batched_vectors_are_single_vectors(tmp_path: Path, *, causal: bool) -> None:
    """Texts of other lengths that share a batch embed as they do alone, for towers that see padding and that do not."""
    bundle = Bundle.open(make_tiny_bundle(tmp_path / "bundle", causal=causal))
    model = Model(bundle, Settings(), Metrics())
    texts = ["red", "a photo of the blue circle on the left", "dog " * 40]

    async def embed() -> list[np.ndarray]:
        tokens = await asyncio.gather(*(model.tokenize(text, 30) for text in texts))
        return await asyncio.gather(*(model.encode_text(each, 30) for each in tokens))

    found = asyncio.run(embed())
    model.close()

    alone = [bundle.embed_texts([text]).vectors[0] for text in texts]
    assert np.allclose(alone, found, atol=1e-5)


def test_images_share_a_batch(tiny_bundle: Path) -> None:
    """Prepared images that are sent together come back in order."""
    bundle = Bundle.open(tiny_bundle)
    model = Model(bundle, Settings(), Metrics())
    pixels = [bundle.prepare(encoded(picture(seed=seed))) for seed in range(5)]

    async def embed() -> list[np.ndarray]:
        return await asyncio.gather(*(model.encode_image(each, 30) for each in pixels))

    found = asyncio.run(embed())
    model.close()

    assert np.allclose(bundle.embed_images(np.stack(pixels)), found, atol=1e-5)


def test_tokens_say_whether_a_text_was_cut(tiny_bundle: Path) -> None:
    """A text that fits has its real length; one that does not has the context's length and says so."""
    model = Model(Bundle.open(tiny_bundle), Settings(), Metrics())

    short, long = (asyncio.run(model.tokenize(text, 30)) for text in ("red dog", "red " * 100))
    model.close()

    assert (4, False) == (short.length, short.truncated)
    assert (32, True) == (long.length, long.truncated)


def test_lone_surrogates_are_refused(tiny_bundle: Path) -> None:
    """A string that is not Unicode text is an input error."""
    model = Model(Bundle.open(tiny_bundle), Settings(), Metrics())

    with pytest.raises(TextInvalid):
        asyncio.run(model.tokenize("\ud800", 30))
    model.close()


def test_a_closed_model_refuses(tiny_bundle: Path) -> None:
    """After close() nothing is encoded any more."""
    model = Model(Bundle.open(tiny_bundle), Settings(), Metrics())
    tokens = asyncio.run(model.tokenize("red", 30))
    model.close()

    with pytest.raises(NotReady):
        asyncio.run(model.encode_text(tokens, 1))


def test_work_with_the_tokenizer_shares_its_thread(tiny_bundle: Path) -> None:
    """What is done with the tokenizer and texts that are tokenised at one time come back each to its own, errors too."""
    model = Model(Bundle.open(tiny_bundle), Settings(), Metrics())
    long = "red " * 100

    async def both() -> list[object]:
        asked = (
            model.read(lambda: 7, 30),
            model.tokenize(long, 30),
            model.read(lambda: 1 // 0, 30),
            model.tokenize(long, 30),
        )
        with model._tokens._arrived:
            tasks = [asyncio.ensure_future(each) for each in asked]
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks, return_exceptions=True)

    number, first, error, second = asyncio.run(both())
    model.close()

    assert 7 == number
    assert isinstance(error, ZeroDivisionError)
    assert [32, 32] == [each.length for each in (first, second) if isinstance(each, Tokens)]
