"""The three graphs of a proofreader, each loaded when it is first needed: whoever does not proofread pays nothing."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from models.binding import Runner, runner
from models.errors import StoredImageInvalid
from models.manifest import BundleManifest, Proofreading
from models.ort import Port, Runtime, expect_ports, open_session
from models.proof_image import StoredImage

_FLOAT = ("tensor(float)",)
_INT = ("tensor(int64)",)


class ProofGraphs:
    """Pixels to patches, ids to token features, and both to answers.

    Every method raises `BundleInvalid` when its graph does not load or is not what the manifest promises.

    Attributes:
        shape: patches, channels and embedding dimension (P, c, d) of an image.
    """

    def __init__(self, folder: Path, manifest: BundleManifest, spec: Proofreading, runtime: Runtime) -> None:
        self.shape = (spec.patches, spec.channels, manifest.dim)
        self._folder = folder
        self._manifest = manifest
        self._spec = spec
        self._runtime = runtime

    def warm(self) -> None:
        """Load all three, side by side, and run each once, so that no caller waits for its first time."""
        side, length = self._manifest.preprocess.size, self._manifest.text.context_length
        with ThreadPoolExecutor(max_workers=3) as pool:
            images = pool.submit(self.images, np.zeros((1, side, side, 3), np.uint8))
            tokens = pool.submit(self.tokens, np.zeros((1, length), np.int64), 1)
            pool.submit(lambda: self._reading).result()
            self.read(list(tokens.result()), images.result(), np.zeros((1, 2)))

    def images(self, pixels: np.ndarray) -> list[StoredImage]:
        """Pixels (N, S, S, 3) uint8, N at least 1, as they are kept."""
        patches, embeddings = self._image.run(["patches", "embedding"], {"pixels": np.ascontiguousarray(pixels)})
        return [StoredImage.of(*each) for each in zip(np.asarray(patches), np.asarray(embeddings), strict=True)]

    def tokens(self, ids: np.ndarray, length: int) -> np.ndarray:
        """Features (n, length, w) of the first ids of n texts, (n, L) int64."""
        if self._manifest.text.causal:
            # what follows cannot change them; other towers see their padding and get all of it
            ids = ids[:, :length]
        (tokens,) = self._text.run(["tokens"], {"ids": np.ascontiguousarray(ids)})
        return np.asarray(tokens)[:, :length]

    def read(
        self, words: Sequence[np.ndarray], images: Sequence[StoredImage], places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let the words of n texts, R the most of them, meet an image each; n is at least 1, and so are their words.

        Args:
            words: n times (r, w) features, r up to R.
            images: n of them.
            places: (m, 2) int64, text and word of each place that is to be corrected.

        Returns:
            logits (n, R) that a word is wrong, without meaning beyond a text's end, and (m, V) of what belongs at the places.

        Raises:
            StoredImageInvalid: an image was stored by another bundle.
        """
        for image in images:
            if image.shape != self.shape:
                raise StoredImageInvalid(
                    f"the stored image has (patches, channels, dim) {image.shape}, the bundle {self._manifest.name!r} "
                    f"reads {self.shape}: embed the image again with this bundle"
                )
        # float16 as stored, so that an image is read the same whether fresh or from a collection
        embeddings = np.stack([image.embedding for image in images]).astype(np.float16).astype(np.float32)
        most = max(len(each) for each in words)
        padded = np.zeros((len(words), most, self._spec.features), np.float32)
        there = np.zeros((len(words), most), bool)
        for row, each in enumerate(words):
            padded[row, : len(each)], there[row, : len(each)] = each, True
        feeds = {
            "words": padded,
            "there": there,
            "patches": np.stack([image.floats() for image in images]),
            "embedding": embeddings,
            "places": np.ascontiguousarray(places, np.int64),
        }
        wrong, answers = self._reading.run(["wrong", "answers"], feeds)
        return np.asarray(wrong), np.asarray(answers)

    @cached_property
    def _image(self) -> Runner:
        side, (patches, channels, dim) = self._manifest.preprocess.size, self.shape
        given = [Port("pixels", ("tensor(uint8)",), (None, side, side, 3))]
        answers = [Port("embedding", _FLOAT, (None, dim)), Port("patches", _FLOAT, (None, patches, channels))]
        return self._session(self._spec.image, given, answers, steady=True)

    @cached_property
    def _text(self) -> Runner:
        length = None if self._manifest.text.causal else self._manifest.text.context_length
        answer = Port("tokens", _FLOAT, (None, length, self._spec.features))
        return self._session(self._spec.text, [Port("ids", _INT, (None, length))], [answer])

    @cached_property
    def _reading(self) -> Runner:
        patches, channels, dim = self.shape
        given = [
            Port("words", _FLOAT, (None, None, self._spec.features)),
            Port("there", ("tensor(bool)",), (None, None)),
            Port("patches", _FLOAT, (None, patches, channels)),
            Port("embedding", _FLOAT, (None, dim)),
            Port("places", _INT, (None, 2)),
        ]
        answers = [Port("wrong", _FLOAT, (None, None)), Port("answers", _FLOAT, (None, self._spec.words))]
        return self._session(self._spec.reading, given, answers)

    def _session(self, name: str, given: Sequence[Port], answers: Sequence[Port], *, steady: bool = False) -> Runner:
        """*steady*: inputs come in few shapes."""
        path = self._folder / name
        session = open_session(path, self._runtime, memory_pattern=steady)
        expect_ports(session, path, given, answers)
        return runner(session)
