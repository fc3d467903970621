"""One input becomes a vector, through cache, pool and batcher."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import ImageTooLarge, ImageUnreadable
from service.caching.cache import Cache
from service.encoding import urgency
from service.encoding.embedding import Embedded, Embedder, Timings
from service.encoding.models import Model
from service.encoding.workers import Workers
from service.errors import DeadlineExceeded, QueryInvalid, QueueFull
from service.operations.metrics import Metrics
from service.settings import Settings
from tests.support.collections import colour_picture
from tests.support.images import encoded, picture
from tests.support.tiny_bundle import make_tiny_bundle

Use = Callable[[Embedder, Model], Awaitable[None]]


@contextmanager
def embedder(settings: Settings, metrics: Metrics) -> Iterator[Embedder]:
    """An embedder with its own cache and pool."""
    cache = Cache(2**20, metrics, redis=None, ttl_s=60)
    workers = Workers(2, max_queue=100, deadline_s=30, name="test", metrics=Metrics())
    yield Embedder(settings, cache, workers)
    workers.close()


def with_embedder(bundle_path: Path, use: Use, **settings: object) -> Metrics:
    """Run *use*; returns the metrics."""
    metrics = Metrics()
    given = Settings.model_validate(settings)
    model = Model(Bundle.open(bundle_path), given, metrics)
    try:
        with embedder(given, metrics) as made:
            asyncio.run(use(made, model))  # type: ignore[arg-type]
    finally:
        model.close()
    return metrics


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    for _ in range(30_000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


def batches(metrics: Metrics, queue: str) -> float:
    """How many batches a queue has run."""
    return metrics.registry.get_sample_value("vilem_batch_size_count", {"queue": queue}) or 0


def test_vectors_are_the_bundles(tiny_bundle: Path) -> None:
    """A text and an image embed to what the bundle itself makes of them, alone or in a crowd."""
    bundle = Bundle.open(tiny_bundle)
    texts = ["red", "a photo of a blue circle", "x" * 40, "green dog"]

    async def use(made: Embedder, model: Model) -> None:
        timings = Timings(Metrics())
        found = await asyncio.gather(*(made.text(model, text, timings) for text in texts))
        expected = bundle.embed_texts(texts)
        assert np.allclose(expected.vectors, np.stack([each.vector for each in found]), atol=1e-5)
        assert expected.truncated.tolist() == [each.truncated for each in found]
        data = encoded(picture())
        image = await made.image(model, data, timings)
        assert np.allclose(bundle.embed_images(bundle.prepare(data)[None])[0], image.vector, atol=1e-5)

    with_embedder(tiny_bundle, use)


def test_a_repeated_input_is_not_computed_again(tiny_bundle: Path) -> None:
    """The second time a text or image is asked for, no batch runs."""

    async def use(made: Embedder, model: Model) -> None:
        timings = Timings(Metrics())
        first = await made.text(model, "red", timings)
        again = await made.text(model, "  RED ", timings)
        assert np.array_equal(first.vector, again.vector)
        for _ in range(2):
            await made.image(model, colour_picture("red"), timings)

    metrics = with_embedder(tiny_bundle, use)

    assert (1, 1) == (batches(metrics, "text"), batches(metrics, "image"))


def test_equal_inputs_at_one_time_are_computed_once(tiny_bundle: Path) -> None:
    """Twenty callers with one text cost one inference of one text."""

    async def use(made: Embedder, model: Model) -> None:
        timings = Timings(Metrics())
        found = await asyncio.gather(*(made.text(model, "white square", timings) for _ in range(20)))
        assert all(np.array_equal(found[0].vector, each.vector) for each in found)

    metrics = with_embedder(tiny_bundle, use)

    assert 1 == metrics.registry.get_sample_value("vilem_batch_size_sum", {"queue": "text"})


def test_pictures_of_one_size_do_not_share_a_vector(tiny_bundle: Path) -> None:
    """The cache's key is the whole picture: pictures that differ only in their pixels have their own vectors."""

    async def use(made: Embedder, model: Model) -> None:
        timings = Timings(Metrics())
        found = [await made.image(model, colour_picture(name), timings) for name in ("red", "blue", "green")]
        assert 3 == len({each.vector.tobytes() for each in found})

    with_embedder(tiny_bundle, use)


def test_two_models_do_not_share_a_vector(tiny_bundle: Path, tmp_path: Path) -> None:
    """The cache's key holds the bundle's digest: one text has one vector for each model."""
    other = Bundle.open(make_tiny_bundle(tmp_path / "other", seed=9))

    async def use(made: Embedder, model: Model) -> None:
        second = Model(other, Settings(), Metrics())
        timings = Timings(Metrics())
        vectors = [(await made.text(each, "red", timings)).vector for each in (model, second)]
        assert not np.allclose(*vectors, atol=1e-3)
        second.close()

    with_embedder(tiny_bundle, use)


def test_two_precisions_do_not_share_a_vector(tiny_bundle: Path) -> None:
    """The cache's key holds the variant: replicas of other precision on one Redis do not exchange vectors."""

    async def use(made: Embedder, model: Model) -> None:
        of = model.bundle
        other = Bundle(of.path, of.manifest, "int8", of.encoder, of.tokenizer)
        second = Model(other, Settings(), Metrics())
        timings = Timings(Metrics())
        for each in (model, second):
            await made.text(each, "red", timings)
            await made.image(each, colour_picture("red"), timings)
        assert 4 == len(made._cache.memory)
        second.close()

    with_embedder(tiny_bundle, use)


def test_a_cached_value_of_the_wrong_size_is_not_believed(tiny_bundle: Path) -> None:
    """What another program stored under our key is computed afresh: wrong length, or numbers that are none."""

    async def use(made: Embedder, model: Model) -> None:
        timings = Timings(Metrics())
        right = (await made.text(model, "red", timings)).vector
        (key,) = made._cache.memory._entries
        for garbage in (b"", b"short", np.full(16, np.nan, np.float32).tobytes()):
            made._cache.put(key, garbage)
            assert np.allclose(right, (await made.text(model, "red", timings)).vector, atol=1e-6)

    with_embedder(tiny_bundle, use)


def test_limits_are_refused_with_the_field(tiny_bundle: Path) -> None:
    """A text above the limit is refused before it is tokenised, and names the field it was told."""

    async def use(made: Embedder, model: Model) -> None:
        timings = Timings(Metrics())
        with pytest.raises(QueryInvalid, match="11 characters, 10 are allowed") as caught:
            await made.text(model, "x" * 11, timings, field="input.3")
        assert "input.3" == caught.value.field
        with pytest.raises(ImageTooLarge, match="pixels"):
            await made.image(model, encoded(picture(40, 40)), timings)
        with pytest.raises(ImageUnreadable):
            await made.image(model, b"GIF89a", timings)

    metrics = with_embedder(tiny_bundle, use, max_text_chars=10, max_pixels=1000)

    assert 0 == batches(metrics, "text") + batches(metrics, "image")


def test_stages_are_timed(tiny_bundle: Path) -> None:
    """Each stage's milliseconds are in the request's timings, and its seconds in the metrics."""
    timings = Timings(Metrics())

    async def use(made: Embedder, model: Model) -> None:
        await made.text(model, "red", timings)
        await made.image(model, colour_picture("red"), timings)

    with_embedder(tiny_bundle, use)

    assert ["tokenize", "encode", "decode"] == list(timings.ms)
    assert all(value > 0 for value in timings.ms.values())
    value = timings.metrics.registry.get_sample_value("vilem_stage_seconds_count", {"stage": "encode"})
    assert 2 == value


def test_what_runs_side_by_side_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage takes as long as at least one input is in it, however many are, and whichever leaves first; gaps do not count."""
    timings, now = Timings(Metrics()), [0.0]
    monkeypatch.setattr("service.encoding.embedding.time.perf_counter", lambda: now[0])
    first, second = ExitStack(), ExitStack()

    with timings.stage("total"):
        for step in (
            lambda: first.enter_context(timings.stage("write")),
            lambda: second.enter_context(timings.stage("write")),
            first.close,
            second.close,
        ):
            now[0] += 1
            step()
        now[0] = 5
        with timings.stage("write"):
            now[0] = 7.5

    assert {"write": 3000.0 + 2500.0, "total": 7500.0} == timings.ms


def test_pictures_do_not_wait_longer_than_is_said(tiny_bundle: Path) -> None:
    """Behind pictures that take long another request's is refused at once; one request's own pictures refuse each other nothing."""

    async def use(made: Embedder, model: Model) -> None:
        calls, gate = made._decoders._calls, threading.Event()
        calls._cost.observe(1, 1.0)

        async def asked(number: int) -> list[Embedded]:
            urgency.begin("u=3")
            one = made.image(model, colour_picture("red"), Timings(Metrics()))
            return await asyncio.gather(one, *(decoded(made, model) for _ in range(number)))

        held = [asyncio.ensure_future(made._decoders.run(lambda: gate.wait(30))) for _ in range(2)]
        await asyncio.sleep(0)
        first = asyncio.ensure_future(asked(5))
        await asyncio.sleep(0.01)
        with pytest.raises(QueueFull):
            await asyncio.create_task(asked(0))
        gate.set()
        await asyncio.gather(*held)
        assert 6 == len(await first)

    with_embedder(tiny_bundle, use, max_wait_s=1.5)


async def decoded(made: Embedder, model: Model) -> Embedded:
    """Another picture."""
    return await made.image(model, colour_picture("blue"), Timings(Metrics()))


def test_who_watches_does_not_wait_for_who_does_not(tiny_bundle: Path) -> None:
    """Equal texts at one moment are computed once for each of both: one that somebody waits for passes the other by."""

    async def use(made: Embedder, model: Model) -> None:
        async def asked(header: str) -> np.ndarray:
            urgency.begin(header)
            return (await made.text(model, "red", Timings(Metrics()))).vector

        # both are there before any is taken
        with model._texts._arrived:
            vectors = [asyncio.ensure_future(asked(each)) for each in ("u=7", "u=7", "u=3", "u=0")]
            await until(lambda: len(model._texts._queue) == 2)
            assert [False, True] == [each.patient for each in model._texts._queue]
        found = await asyncio.gather(*vectors)
        assert all(np.allclose(found[0], each, atol=1e-6) for each in found)

    metrics = with_embedder(tiny_bundle, use)

    assert 2 == metrics.registry.get_sample_value("vilem_batch_size_sum", {"queue": "text"})


def test_who_came_late_has_its_own_time(tiny_bundle: Path) -> None:
    """When the time of whoever asked first is up, another that asked for the same text meanwhile is computed in its own."""

    async def use(made: Embedder, model: Model) -> None:
        async def asked() -> np.ndarray:
            return (await made.text(model, "red", Timings(Metrics()))).vector

        with model._texts._arrived:
            first, late = asyncio.ensure_future(asked()), asyncio.ensure_future(asked())
            await until(lambda: len(model._texts._queue) == 1)
            model._texts._expire(model._texts._queue[0])
            await asyncio.wait([first])
            await until(lambda: len(model._texts._queue) == 1)
        with pytest.raises(DeadlineExceeded):
            await first
        assert 16 == len(await late)

    with_embedder(tiny_bundle, use)
