"""A loaded bundle behind its batchers: the only place where the service meets an encoder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from models.bundle import Bundle
from models.text import TokenBatch
from service.encoding.batching import MicroBatcher
from service.encoding.proofs import Proofs
from service.encoding.yielding import COMPUTING
from service.errors import CannotProofread
from service.operations.metrics import Metrics
from service.settings import Settings

T = TypeVar("T")
R = TypeVar("R")

# ViT-B/32 on two cores: a batch costs 6.6 ms, and 0.18 ms for each token in it.
_BATCH_TOKENS = 36
# Batches of a tower that run at a time: where Python stands between two, or a batch's threads wait for each other, another
# goes on. On two busy cores that is a quarter more texts; each on a core of its own (`models.lanes`), a tenth more again.
_LANES = 2
# Up to here tokenising takes less than handing a text to a thread and back.
_SHORT_CHARS = 256


@dataclass(frozen=True)
class Tokens:
    """One tokenised text: ids (l,) int64 padded to the context, its real length, and whether it was cut."""

    ids: np.ndarray
    length: int
    truncated: bool


class Model:
    """One bundle that many requests share.

    Attributes:
        bundle: the model.
        key: what its vectors depend on: the bundle, and the precision of its graphs.
    """

    def __init__(self, bundle: Bundle, settings: Settings, metrics: Metrics) -> None:
        self.bundle = bundle
        self.key = f"{bundle.digest[:32]}:{bundle.variant}"
        self._proofs = Proofs(bundle, settings, metrics) if bundle.manifest.proofreader is not None else None
        causal = bundle.manifest.text.causal
        self._tokens: MicroBatcher[str | Callable[[], Any], Any] = _batcher(self._read, "tokenize", settings, metrics)
        self._images: MicroBatcher[np.ndarray, np.ndarray] = _batcher(
            self._encode_images, "image", settings, metrics, workers=_LANES
        )
        self._texts: MicroBatcher[Tokens, np.ndarray] = _batcher(
            self._encode_texts,
            "text",
            settings,
            metrics,
            workers=_LANES,
            # a tower that sees its padding gets the whole context, whatever the text
            size=lambda tokens: tokens.length if causal else 0,
            overhead=_BATCH_TOKENS,
        )

    async def tokenize(self, text: str, deadline_s: float) -> Tokens:
        """Token ids of one text; raises TextInvalid, and as `MicroBatcher.submit`."""
        if len(text) <= _SHORT_CHARS:
            return self._tokenize([text])[0]
        return await self._tokens.submit(text, deadline_s)

    async def read(self, work: Callable[[], T], deadline_s: float) -> T:
        """What *work* does with the tokenizer, in the thread that tokenises long texts; raises as `MicroBatcher.submit`."""
        return cast(T, await self._tokens.submit(work, deadline_s))

    async def encode_text(self, tokens: Tokens, deadline_s: float) -> np.ndarray:
        """Unit vector (d,) float32; raises as `MicroBatcher.submit`."""
        return await self._texts.submit(tokens, deadline_s)

    async def encode_image(self, pixels: np.ndarray, deadline_s: float) -> np.ndarray:
        """Unit vector (d,) float32 of a prepared image (S, S, 3); raises as `MicroBatcher.submit`."""
        return await self._images.submit(pixels, deadline_s)

    @property
    def cannot_proofread(self) -> str | None:
        """Why it cannot proofread, and what to do; None when it can."""
        if self._proofs is not None:
            return None
        return f"model {self.bundle.manifest.name!r} has no proofreader: use a bundle that has one (docs/api.md)"

    def proofreading(self) -> Proofs:
        """Its proofreader.

        Raises:
            CannotProofread: it has none.
        """
        if self._proofs is None:
            raise CannotProofread(self.cannot_proofread)
        return self._proofs

    def close(self) -> None:
        """End the worker threads."""
        if self._proofs is not None:
            self._proofs.close()
        self._tokens.close()
        self._texts.close()
        self._images.close()

    def _read(self, batch: list[str | Callable[[], Any]]) -> list[Any]:
        tokens = iter(self._tokenize([each for each in batch if isinstance(each, str)]))
        return [next(tokens) if isinstance(each, str) else each() for each in batch]

    def _tokenize(self, texts: list[str]) -> list[Tokens]:
        batch = self.bundle.tokenizer.encode(texts)
        rows = zip(batch.ids, batch.lengths.tolist(), batch.truncated.tolist(), strict=True)
        return [Tokens(ids, length, truncated) for ids, length, truncated in rows]

    def _encode_texts(self, batch: list[Tokens]) -> list[np.ndarray]:
        ids = np.stack([tokens.ids for tokens in batch])
        lengths = np.array([tokens.length for tokens in batch])
        truncated = np.array([tokens.truncated for tokens in batch])
        return list(self.bundle.encoder.encode_texts(TokenBatch(ids, lengths, truncated)))

    def _encode_images(self, batch: list[np.ndarray]) -> list[np.ndarray]:
        return list(self.bundle.encoder.encode_images(np.stack(batch)))


def _batcher(
    run: Callable[[list[T]], list[R]],
    name: str,
    settings: Settings,
    metrics: Metrics,
    *,
    workers: int = 1,
    size: Callable[[T], int] = lambda _: 0,
    overhead: int = 0,
) -> MicroBatcher[T, R]:
    return MicroBatcher(
        run,
        name=name,
        size=size,
        overhead=overhead,
        max_batch=settings.max_batch,
        max_queue=settings.max_queue,
        max_wait_s=settings.max_wait_s,
        metrics=metrics,
        workers=workers,
        gives_way=COMPUTING,
    )
