"""Two ONNX towers: token ids and pixels become unit vectors in one space."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from models.binding import Runner, runner
from models.lanes import Traffic, laned
from models.manifest import BundleManifest
from models.ort import Port, Runtime, expect_ports, open_session
from models.tensorrt import MOST_ROWS, engine_folder, image_engine, text_engine
from models.text import TokenBatch

_VECTOR_TYPES = ("tensor(float)", "tensor(float16)")


class DualEncoder:
    """Text and image tower of one bundle; holds no state between calls, safe to share between threads.

    Attributes:
        dim: d, of every vector.
    """

    def __init__(self, image: Runner, text: Runner, *, dim: int, causal: bool, most: int | None = None) -> None:
        self._image = image
        self._text = text
        self._causal = causal
        # rows in one run, where their number has a bound
        self._most = most
        self.dim = dim

    @classmethod
    def open(cls, image: Path, text: Path, manifest: BundleManifest, runtime: Runtime) -> "DualEncoder":
        """Load both graphs, side by side, and check that they are what the manifest promises.

        Raises:
            BundleInvalid: a graph does not load, or has other inputs or outputs.
            ModelError: the device that was asked for is not there, or there is no place for its engines.
        """
        side = manifest.preprocess.size
        # a text tower that sees its padding is always given the whole context
        length = None if manifest.text.causal else manifest.text.context_length
        answer = Port("embedding", _VECTOR_TYPES, (None, manifest.dim))
        of_images = of_texts = most = None
        if runtime.device == "tensorrt":
            digest, context, most = manifest.digest(), manifest.text.context_length, MOST_ROWS
            of_images = image_engine(engine_folder(image.parent, digest, image.name), side)
            of_texts = text_engine(engine_folder(text.parent, digest, text.name), context, causal=manifest.text.causal)
        with ThreadPoolExecutor(max_workers=2) as pool:
            first = pool.submit(open_session, image, runtime, memory_pattern=True, engine=of_images)
            second = pool.submit(open_session, text, runtime, memory_pattern=False, engine=of_texts)
            images, texts = first.result(), second.result()
        expect_ports(images, image, [Port("pixels", ("tensor(uint8)",), (None, side, side, 3))], [answer])
        expect_ports(texts, text, [Port("ids", ("tensor(int64)",), (None, length))], [answer])
        traffic = Traffic()
        of_image = laned(runner(images), image, runtime, traffic, memory_pattern=True)
        of_text = laned(runner(texts), text, runtime, traffic, memory_pattern=False)
        return cls(of_image, of_text, dim=manifest.dim, causal=manifest.text.causal, most=most)

    def encode_texts(self, tokens: TokenBatch) -> np.ndarray:
        """Embed N tokenised texts.

        A causal tower is given only the columns up to the longest text of the batch: what follows the end-of-text
        token cannot change its features, and attention costs less (5-10 times at usual lengths). Other towers see
        their padding and get all of it.

        Returns:
            (N, d) float32, unit norm.
        """
        count, length = tokens.ids.shape
        if count == 0:
            return self._nothing()
        if self._causal:
            length = int(tokens.lengths.max())
        return self._run(self._text, "ids", np.ascontiguousarray(tokens.ids[:, :length]))

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        """Embed N prepared images.

        Args:
            pixels: (N, S, S, 3) uint8 of `models.image.prepare`.

        Returns:
            (N, d) float32, unit norm.
        """
        if len(pixels) == 0:
            return self._nothing()
        return self._run(self._image, "pixels", np.ascontiguousarray(pixels))

    def _run(self, session: Runner, name: str, values: np.ndarray) -> np.ndarray:
        if self._most is not None and len(values) > self._most:
            parts = [values[start : start + self._most] for start in range(0, len(values), self._most)]
            return np.concatenate([self._run(session, name, part) for part in parts])
        (answer,) = session.run(["embedding"], {name: values})
        vectors = np.asarray(answer)
        if vectors.dtype == np.float32:
            return vectors
        # a half-precision graph: its unit vectors are off by up to 1e-3
        vectors = vectors.astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def _nothing(self) -> np.ndarray:
        return np.zeros((0, self.dim), np.float32)
