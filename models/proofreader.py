"""The second stage: which words of a text an image contradicts, and what they should have been (ViLEM's module, kept).

Chen et al., "ViLEM", CVPR 2023, throw the interaction module away after training; a bundle may keep it. Its image side
is computed once for each image and stored (`models.proof_image`); a text is read beside k of them at a time.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.bundle import Bundle
from models.errors import BundleInvalid, ProofreaderMissing
from models.manifest import Proofreading
from models.negatives.words import Word, split_words, token_words
from models.ort import Runtime
from models.proof import Proof, WordProof
from models.proof_graphs import ProofGraphs
from models.proof_image import StoredImage, stored_size
from models.text import Tokenizer

# images read at a time: bounds the memory of correction's logits
_BATCH = 32
# correction's best answers that are told
_TOLD = 3

_Corrections = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class _Page:
    """One text, ready to be read.

    Attributes:
        text: cleaned.
        words: all of them.
        places: (R,) numbers of those that are read.
        features: (R, w) of those.
    """

    text: str
    words: tuple[Word, ...]
    places: list[int]
    features: np.ndarray


class Proofreader:
    """The proofreader of one bundle; holds no state between calls, safe to share between threads.

    Attributes:
        spec: what the manifest says of it.
        vocabulary: the words that correction can answer.
    """

    def __init__(
        self, spec: Proofreading, vocabulary: tuple[str, ...], tokenizer: Tokenizer, graphs: ProofGraphs
    ) -> None:
        self.spec = spec
        self.vocabulary = vocabulary
        self._tokenizer = tokenizer
        self._graphs = graphs

    @classmethod
    def open(cls, bundle: Bundle, runtime: Runtime = Runtime()) -> "Proofreader":
        """The proofreader of an opened bundle; each of its graphs is loaded when it is first needed.

        Raises:
            ProofreaderMissing: the bundle has none.
            BundleInvalid: its vocabulary is broken, or a file of it is not sealed. Graphs raise it when they load.
        """
        manifest = bundle.manifest
        spec = manifest.proofreader
        if spec is None:
            raise ProofreaderMissing(
                f"the bundle {manifest.name!r} has no proofreader: train one with `vilem train` and a recipe that has a "
                "[proofreading] part, such as models/recipes/scenes-vilem.toml"
            )
        unsealed = {spec.image, spec.text, spec.reading, spec.vocabulary} - manifest.files.keys()
        if unsealed:
            raise BundleInvalid(f"{bundle.path} does not seal {', '.join(sorted(unsealed))}: export the bundle again")
        vocabulary = _vocabulary(bundle.path / spec.vocabulary, spec.words)
        return cls(spec, vocabulary, bundle.tokenizer, ProofGraphs(bundle.path, manifest, spec, runtime))

    @property
    def stored_bytes(self) -> int:
        """Bytes of one stored image."""
        return stored_size(*self._graphs.shape)

    def encode_images(self, pixels: np.ndarray) -> list[StoredImage]:
        """What is kept of N prepared images; one run of the image tower gives their embeddings too.

        Args:
            pixels: (N, S, S, 3) uint8 of `models.image.prepare`.

        Raises:
            BundleInvalid: the graph does not load, or gives values that are not finite.
        """
        return self._graphs.images(pixels) if len(pixels) else []

    def check(self, text: str, images: Sequence[StoredImage]) -> list[Proof]:
        """Proofread one text beside each of k images.

        Raises:
            TextInvalid: the text holds lone surrogates.
            StoredImageInvalid: an image was stored by another bundle.
            BundleInvalid: a graph does not load.
        """
        page = self._page(text)
        return [
            _proof(page, wrong, corrections)
            for batch in _batches(images)
            for wrong, corrections in self._marked(page, batch)
        ]

    def score(self, text: str, images: Sequence[StoredImage]) -> np.ndarray:
        """`Proof.score` of one text beside each of k images, without corrections: (k,) float32.

        Raises:
            As `check`.
        """
        page = self._page(text)
        return np.concatenate(
            [np.zeros(0, np.float32), *(_scores(self._wrong(page, each)) for each in _batches(images))]
        )

    def rerank(self, cosines: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """What to sort k candidates by, descending: the cosine, less what is contradicted; (k,) float32.

        The weight was fitted on validation data. A picture that contradicts no word keeps its cosine.

        Args:
            cosines: (k,) of the text and each image.
            scores: (k,) of `score`.
        """
        return (cosines + self.spec.calibration.alpha * scores).astype(np.float32)

    def _page(self, text: str) -> _Page:
        reading = self._tokenizer.read(text)
        words = split_words(reading.text)
        of = np.array(token_words(reading.offsets, words), np.int64)
        end = len(reading.text) if reading.cut is None else reading.cut
        places = [place for place, word in enumerate(words) if word.end <= end and place in of]
        if not places:
            return _Page(reading.text, words, [], np.zeros((0, self.spec.features), np.float32))
        tokens = self._graphs.tokens(reading.ids, len(of))
        # as `models.training.interaction.pool_words`: the mean of a word's tokens
        features = np.stack([tokens[of == place].mean(axis=0) for place in places])
        return _Page(reading.text, words, places, features)

    def _wrong(self, page: _Page, images: Sequence[StoredImage]) -> np.ndarray:
        """Calibrated logits (k, R) that a word is wrong."""
        if not page.places:
            return np.zeros((len(images), 0), np.float32)
        logits, _ = self._graphs.read(page.features, images, np.zeros((0, 2)))
        return self.spec.calibration.slope * logits + self.spec.calibration.intercept

    def _marked(
        self, page: _Page, images: Sequence[StoredImage]
    ) -> Iterator[tuple[np.ndarray, dict[int, _Corrections]]]:
        """For each image calibrated logits (R,), and what belongs in place of the words that are likelier wrong."""
        wrong = self._wrong(page, images)
        corrections: list[dict[int, _Corrections]] = [{} for _ in images]
        places = np.argwhere(wrong > 0)
        if len(places):
            # a second reading, of these images alone: most have nothing to correct
            rows, again = np.unique(places[:, 0], return_inverse=True)
            _, answers = self._graphs.read(
                page.features, [images[row] for row in rows], np.stack([again, places[:, 1]], axis=1)
            )
            for (row, place), logits in zip(places.tolist(), answers, strict=True):
                corrections[row][page.places[place]] = self._best(logits, page.words[page.places[place]].text)
        yield from zip(wrong, corrections, strict=True)

    def _best(self, logits: np.ndarray, written: str) -> _Corrections:
        """The likeliest words by V logits, but for the one that is written there."""
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        order = [place for place in np.argsort(-chances)[: _TOLD + 1] if self.vocabulary[place] != written.lower()]
        return tuple((self.vocabulary[place], float(chances[place])) for place in order[:_TOLD])


def _proof(page: _Page, wrong: np.ndarray, corrections: dict[int, _Corrections]) -> Proof:
    support = dict(zip(page.places, np.exp(-np.logaddexp(0, wrong)).tolist(), strict=True))
    words = tuple(
        WordProof(word.text, word.start, word.end, support.get(place), corrections.get(place, ()))
        for place, word in enumerate(page.words)
    )
    return Proof(page.text, words, float(_scores(wrong)))


def _scores(wrong: np.ndarray) -> np.ndarray:
    """Calibrated logits (…, R) to sums of log(1 - P(wrong)), (…)."""
    # subtracted: the sum of nothing is 0 and not -0
    return 0 - np.logaddexp(0, wrong).sum(axis=-1)


def _batches(images: Sequence[StoredImage]) -> Iterator[Sequence[StoredImage]]:
    return (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))


def _vocabulary(path: Path, size: int) -> tuple[str, ...]:
    try:
        words = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleInvalid(f"{path} cannot be read ({error}): export the bundle again") from error
    if not isinstance(words, list) or len(words) != size or not all(isinstance(word, str) for word in words):
        raise BundleInvalid(f"{path} is not a JSON list of {size} words: export the bundle again")
    return tuple(words)
