"""One text or image becomes a vector: through the cache, the decode pool and the model's batcher."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from models.bundle import Prepared
from models.decode import DecodeLimits
from service.caching.cache import Cache
from service.caching.singleflight import SingleFlight
from service.encoding.models import Model, Tokens
from service.encoding.urgency import BATCH, urgency
from service.encoding.workers import Workers
from service.errors import QueryInvalid
from service.operations import request_ids, tracing
from service.operations.metrics import Metrics
from service.settings import Settings


@dataclass
class Timings:
    """Milliseconds of one request by stage, in the order the stages ran; used from one event loop.

    What runs side by side counts once: a stage took as long as at least one input was in it, so none takes longer than a stage
    round it.
    """

    metrics: Metrics
    ms: dict[str, float] = field(default_factory=dict[str, float])
    # unrounded: many small ones may not add up to more than what is round them
    _seconds: dict[str, float] = field(default_factory=dict[str, float])
    # how many inputs are in a stage, and since when at least one is
    _inside: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Note how long the block took."""
        began = time.perf_counter()
        inside, since = self._inside.get(name, (0, began))
        self._inside[name] = inside + 1, since
        try:
            with tracing.stage(name):
                yield
        finally:
            ended = time.perf_counter()
            inside, since = self._inside.pop(name)
            if inside > 1:
                self._inside[name] = inside - 1, since
            else:
                self.add(name, ended - since)
            self.metrics.stage.labels(name).observe(ended - began)

    def add(self, name: str, seconds: float) -> None:
        """Note what a stage took when nothing of the request was in it otherwise."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        self.ms[name] = round(1000 * self._seconds[name], 3)


@dataclass(frozen=True)
class Embedded:
    """A vector (d,) float32 of unit norm; for a text its tokens and whether it was cut, for an image what was prepared of it."""

    vector: np.ndarray
    tokens: int = 0
    truncated: bool = False
    prepared: Prepared | None = None

    @property
    def pixels(self) -> np.ndarray | None:
        """Of an image, (S, S, 3) uint8."""
        return None if self.prepared is None else self.prepared.pixels


class Embedder:
    """Embeds single inputs for many requests at once.

    Args:
        settings: limits and deadlines.
        cache: of vectors, by bundle and whole input.
        decoders: threads that decode and scale, so that the event loop never does.
    """

    def __init__(self, settings: Settings, cache: Cache, decoders: Workers) -> None:
        self._settings = settings
        self._limits = DecodeLimits(max_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels)
        self._cache = cache
        self._decoders = decoders
        self._flights: SingleFlight[np.ndarray] = SingleFlight()

    async def text(self, model: Model, text: str, timings: Timings, *, field: str = "query.text") -> Embedded:
        """Embed one text, what the model reads of it.

        Raises:
            QueryInvalid, TextInvalid, QueueFull, DeadlineExceeded: as `tokens`.
        """
        return await self.text_of(model, await self.tokens(model, text, timings, field=field), timings)

    async def tokens(self, model: Model, text: str, timings: Timings, *, field: str = "query.text") -> Tokens:
        """Tokenise one text.

        Raises:
            QueryInvalid: it is longer than the setting allows; names *field*.
            TextInvalid: it is not Unicode.
            QueueFull, DeadlineExceeded: too much is waiting.
        """
        check_length(text, self._settings.max_text_chars, field)
        if self._settings.log_text:
            request_ids.note_text(text)
        with timings.stage("tokenize"):
            return await model.tokenize(text, self._settings.deadline_s)

    async def text_of(self, model: Model, tokens: Tokens, timings: Timings) -> Embedded:
        """Embed one tokenised text; raises QueueFull and DeadlineExceeded as `tokens`."""
        # the ids are the whole of what the tower sees
        key = _key("t", model, tokens.ids[: tokens.length].tobytes())
        with timings.stage("encode"):
            vector = await self._vector(key, model, lambda: model.encode_text(tokens, self._settings.deadline_s))
        return Embedded(vector, tokens.length, tokens.truncated)

    async def image(self, model: Model, data: bytes, timings: Timings) -> Embedded:
        """Embed one image file.

        Raises:
            ImageTooLarge, ImageUnreadable: as `models.decode.decode`.
            QueueFull, DeadlineExceeded: too much is waiting.
        """
        prepared = await self._prepared(model, data, timings)
        pixels = prepared.pixels
        key = _key("i", model, pixels.tobytes())
        with timings.stage("encode"):
            vector = await self._vector(key, model, lambda: model.encode_image(pixels, self._settings.deadline_s))
        return Embedded(vector, prepared=prepared)

    async def patches(self, model: Model, data: bytes, timings: Timings) -> bytes:
        """What *model*'s proofreader reads of one image file: a `StoredImage`, in bytes.

        Raises:
            CannotProofread: it has none.
            ImageTooLarge, ImageUnreadable, QueueFull, DeadlineExceeded: as `image`.
        """
        model.proofreading()
        return await self.patches_of(model, (await self._prepared(model, data, timings)).pixels, timings)

    async def patches_of(self, model: Model, pixels: np.ndarray, timings: Timings) -> bytes:
        """`patches` of a prepared image (S, S, 3) uint8.

        Raises:
            CannotProofread: it has none.
            QueueFull, DeadlineExceeded: too much is waiting.
        """
        proofs = model.proofreading()
        key = _key("q", model, pixels.tobytes())
        with timings.stage("encode"):
            stored = await self._cache.get(key)
            # what another program wrote under our key is no image of ours
            if stored is not None and proofs.is_whole(stored):
                return stored
            made = await proofs.encode_image(pixels, self._settings.deadline_s)
            self._cache.put(key, made)
            return made

    async def _prepared(self, model: Model, data: bytes, timings: Timings) -> Prepared:
        with timings.stage("decode"):
            # what else these threads do is small, and is let wait: a page asks for many thumbnails at a time
            return await self._decoders.run(
                lambda: model.bundle.prepare_sized(data, self._limits), self._settings.max_wait_s
            )

    async def _vector(self, key: str, model: Model, compute: Callable[[], Awaitable[np.ndarray]]) -> np.ndarray:
        async def found_or_made() -> np.ndarray:
            stored = await self._cache.get(key)
            if stored is not None and len(stored) == 4 * model.bundle.manifest.dim:
                vector = np.frombuffer(stored, np.float32)
                # what another program wrote under our key is no vector of ours
                if np.isfinite(vector).all():
                    return vector
            vector = await compute()
            self._cache.put(key, vector.tobytes())
            return vector

        # who watches does not wait for what is computed when there is time
        flight = f"{key}:{urgency() >= BATCH}"
        return await self._flights.run(flight, found_or_made)


def check_length(text: str, most: int, field: str) -> None:
    """Refuse a text of more than *most* characters.

    Raises:
        QueryInvalid: names *field*.
    """
    if len(text) > most:
        raise QueryInvalid(field, f"the text has {len(text):,} characters, {most:,} are allowed: shorten it")


def _key(kind: str, model: Model, data: bytes) -> str:
    return f"vilem:{kind}:{model.key}:{hashlib.sha256(data).hexdigest()}"
