"""A bundle's proofreader behind its queues: a text beside pictures, and what it reads of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from index.rerank import Reread, captions_in_order, in_order, read_beside, read_captions
from index.searcher import Hit
from models.bundle import Bundle
from models.ort import Runtime
from models.proof import Proof
from models.proof_image import MAX_STORED
from models.proofreader import Proofreader
from service.encoding.batching import MicroBatcher
from service.encoding.yielding import COMPUTING
from service.operations.metrics import Metrics
from service.schemas.proofread import MAX_IMAGES
from service.settings import Settings

# At 40 ms a text that is a wait of 2.5 s.
_MAX_TEXTS_WAITING = 64
# Each of them holds up to a hundred stored pictures. Bundles of today keep 10 KB of one, older ones may keep more.
_MAX_BYTES_WAITING = _MAX_TEXTS_WAITING * MAX_IMAGES * MAX_STORED


@dataclass(frozen=True, eq=False)
class Asked:
    """A text, the stored images, in bytes, that it is to be read beside, and whether its words are wanted."""

    text: str
    images: tuple[bytes, ...]
    words: bool

    @property
    def pairs(self) -> int:
        """Of a text and an image."""
        return len(self.images)

    def read(self, proofreader: Proofreader) -> list[Proof]:
        """The answer."""
        return read_beside(proofreader, self.text, self.images, words=self.words)


@dataclass(frozen=True, eq=False)
class Captions:
    """Texts, the stored image, in bytes, that they are to be read beside, and whether their words are wanted."""

    texts: tuple[str, ...]
    image: bytes
    words: bool

    @property
    def pairs(self) -> int:
        """Of a text and an image."""
        return len(self.texts)

    def read(self, proofreader: Proofreader) -> list[Proof]:
        """The answer."""
        return read_captions(proofreader, self.texts, self.image, words=self.words)


class Proofs:
    """One proofreader that many requests share.

    Args:
        bundle: that has one.
        settings: bounds.
        metrics: where pairs, batches and waits are counted.

    Raises:
        BundleInvalid: a graph of the proofreader does not load.
    """

    def __init__(self, bundle: Bundle, settings: Settings, metrics: Metrics) -> None:
        self._proofreader = Proofreader.open(bundle, Runtime(threads=settings.threads, device=settings.device))
        # in the loader's thread, like the towers' graphs: what is not ready is not served
        self._proofreader.warm()
        self._count = metrics.proofs
        room = max(1, _MAX_BYTES_WAITING // (MAX_IMAGES * self._proofreader.stored_bytes))
        # the pictures of one text, or the texts of one picture, are a batch already
        self._texts: MicroBatcher[Asked | Captions, list[Proof]] = MicroBatcher(
            self._check,
            name="proofread",
            max_batch=1,
            max_queue=min(settings.max_queue, _MAX_TEXTS_WAITING, room),
            max_wait_s=settings.max_wait_s,
            metrics=metrics,
            size=lambda asked: asked.pairs,
            gives_way=COMPUTING,
        )
        self._images: MicroBatcher[np.ndarray, bytes] = MicroBatcher(
            self._encode,
            name="proof-image",
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            max_wait_s=settings.max_wait_s,
            metrics=metrics,
            gives_way=COMPUTING,
        )

    async def check(self, text: str, images: Sequence[bytes], deadline_s: float, *, words: bool = True) -> list[Proof]:
        """One proof for each stored image; without *words* there are only their scores, which takes half as long.

        Raises:
            TextInvalid: *text* is not Unicode.
            StoredImageInvalid: an image is damaged, or another bundle's.
            ServiceError: as `MicroBatcher.submit`.
        """
        return await self._texts.submit(Asked(text, tuple(images), words), deadline_s)

    async def check_texts(
        self, texts: Sequence[str], image: bytes, deadline_s: float, *, words: bool = True
    ) -> list[Proof]:
        """One proof for each text beside one stored image; raises, and without *words* gives, as `check`."""
        return await self._texts.submit(Captions(tuple(texts), image, words), deadline_s)

    async def encode_image(self, pixels: np.ndarray, deadline_s: float) -> bytes:
        """What the proofreader reads of a prepared image (S, S, 3), in bytes; raises as `MicroBatcher.submit`."""
        return await self._images.submit(pixels, deadline_s)

    def in_order(self, hits: Sequence[Hit], proofs: Sequence[Proof]) -> list[Reread]:
        """The hits by cosine and proof together; see `index.rerank`."""
        return in_order(self._proofreader, hits, proofs)

    def captions_in_order(self, hits: Sequence[Hit], proofs: Sequence[Proof]) -> list[Reread]:
        """The captions that were found by cosine and proof together; see `index.rerank`."""
        return captions_in_order(self._proofreader, hits, proofs)

    def is_whole(self, image: bytes) -> bool:
        """Whether *image* may be a stored one, by its size."""
        return len(image) == self._proofreader.stored_bytes

    def close(self) -> None:
        """End the worker threads."""
        self._texts.close()
        self._images.close()

    def _check(self, batch: list[Asked | Captions]) -> list[list[Proof]]:
        self._count.inc(sum(asked.pairs for asked in batch))
        return [asked.read(self._proofreader) for asked in batch]

    def _encode(self, batch: list[np.ndarray]) -> list[bytes]:
        return [image.to_bytes() for image in self._proofreader.encode_images(np.stack(batch))]
