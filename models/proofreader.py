"""The second stage: which words of a text an image contradicts, and what they should have been (ViLEM's module, kept).

Chen et al., "ViLEM", CVPR 2023, throw the interaction module away after training; a bundle may keep it. Its image side
is computed once for each image and stored (`models.proof_image`); texts and images are read in pairs, one text
beside several images or one image beside several texts.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from models.bundle import Bundle
from models.errors import BundleInvalid, ProofreaderMissing
from models.manifest import Proofreading
from models.negatives.words import Word, split_words, token_words
from models.ort import Runtime
from models.proof import Proof, WordProof
from models.proof_graphs import ProofGraphs
from models.proof_image import StoredImage, stored_size
from models.text import Reading, Tokenizer

# texts and images read at a time: bounds the memory of correction's logits
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
        self,
        spec: Proofreading,
        vocabulary: tuple[str, ...],
        tokenizer: Tokenizer,
        graphs: ProofGraphs,
        above: float | None = None,
    ) -> None:
        self.spec = spec
        self.vocabulary = vocabulary
        self._tokenizer = tokenizer
        self._graphs = graphs
        # as a calibrated logit: exactly 0 for a threshold of one half
        self._limit = float(np.log(self.threshold) - np.log1p(-self.threshold))
        self._above = self._limit if above is None else above

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
                "[proofreading] part, such as models/recipes/scenes-s.toml"
            )
        unsealed = {spec.image, spec.text, spec.reading, spec.vocabulary} - manifest.files.keys()
        if unsealed:
            raise BundleInvalid(f"{bundle.path} does not seal {', '.join(sorted(unsealed))}: export the bundle again")
        vocabulary = _vocabulary(bundle.path / spec.vocabulary, spec.words)
        return cls(spec, vocabulary, bundle.tokenizer, ProofGraphs(bundle.path, manifest, spec, runtime))

    def correcting(self, above: float) -> "Proofreader":
        """The same proofreader, with corrections of the words whose calibrated logit of being wrong is above *above*.

        Who reads wants those that are contradicted, and has them unasked. Who measures wants them of all words, -inf, or
        of none, inf, which takes half as long. What is told of the words themselves is the same.
        """
        return Proofreader(self.spec, self.vocabulary, self._tokenizer, self._graphs, above)

    @property
    def threshold(self) -> float:
        """A word is contradicted where P(wrong) is above it; chosen on held-out words, one half for older bundles."""
        return self.spec.calibration.threshold

    @property
    def stored_bytes(self) -> int:
        """Bytes of one stored image."""
        return stored_size(*self._graphs.shape)

    def warm(self) -> None:
        """Load its graphs and run each once: for whoever would rather wait now than at the first question.

        Raises:
            BundleInvalid: a graph does not load, or does not do what the manifest promises.
        """
        self._graphs.warm()

    def encode_images(self, pixels: np.ndarray) -> list[StoredImage]:
        """What is kept of N prepared images; one run of the image tower gives their embeddings too.

        Args:
            pixels: (N, S, S, 3) uint8 of `models.image.prepare`.

        Raises:
            BundleInvalid: the graph does not load, or gives values that are not finite.
        """
        return self._graphs.images(pixels) if len(pixels) else []

    def check(self, text: str, images: Sequence[StoredImage], *, words: bool = True) -> list[Proof]:
        """Proofread one text beside each of k images; without *words* there are only scores, which takes half as long.

        Raises:
            TypeError: an image is pixels, a file or anything else that `encode_images` did not give.
            TextInvalid: the text holds lone surrogates.
            StoredImageInvalid: an image was stored by another bundle.
            BundleInvalid: a graph does not load.
        """
        _refuse_unstored(images)
        return self._proofs(self._pages([text]) * len(images), images, words=words)

    def check_texts(self, texts: Sequence[str], image: StoredImage, *, words: bool = True) -> list[Proof]:
        """Proofread each of n texts beside one image; arguments and errors as of `check`."""
        _refuse_unstored([image])
        return self._proofs(self._pages(texts), [image] * len(texts), words=words)

    def score(self, text: str, images: Sequence[StoredImage]) -> np.ndarray:
        """`Proof.score` of one text beside each of k images: (k,) float32.

        Raises:
            As `check`.
        """
        return np.array([proof.score for proof in self.check(text, images, words=False)], np.float32)

    def rerank(self, cosines: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """What to sort k candidates by, descending: the cosine, less what is contradicted; (k,) float32.

        The weight was fitted on validation data. A score is never quite 0, so every picture loses a little; one that
        contradicts no word, hardly anything. Beside a text without words all keep their cosines.

        Args:
            cosines: (k,) of the text and each image.
            scores: (k,) of `score`.
        """
        return (cosines + self.spec.calibration.alpha * scores).astype(np.float32)

    def rerank_texts(self, cosines: np.ndarray, scores: np.ndarray, read: np.ndarray) -> np.ndarray:
        """What to sort n texts of one image by, descending; (n,) float32. Texts of one length are sorted as by `rerank`.

        A score is a sum, of more terms for a longer text, none of them quite 0: taken as it is, it would prefer what says
        little. So each counts as if its text had the mean length of the n.

        Args:
            cosines: (n,) of the image and each text.
            scores: (n,) `Proof.score`.
            read: (n,) `Proof.read`.
        """
        if not len(read):
            return np.zeros(0, np.float32)
        return self.rerank(cosines, scores / np.maximum(read, 1) * read.mean())

    def _pages(self, texts: Sequence[str]) -> list[_Page]:
        """Each text, ready to be read."""
        return [page for batch in _batches(len(texts)) for page in self._batch_of_pages(texts[batch])]

    def _batch_of_pages(self, texts: Sequence[str]) -> list[_Page]:
        readings = [self._tokenizer.read(text) for text in texts]
        split = [split_words(reading.text) for reading in readings]
        owners = [
            np.array(token_words(reading.offsets, words), np.int64)
            for reading, words in zip(readings, split, strict=True)
        ]
        places = [_read_whole(*each) for each in zip(readings, split, owners, strict=True)]
        features = [np.zeros((0, self.spec.features), np.float32) for _ in texts]
        if able := [row for row, found in enumerate(places) if found]:
            ids = np.concatenate([readings[row].ids for row in able])
            found = self._graphs.tokens(ids, max(len(owners[row]) for row in able))
            for row, tokens in zip(able, found, strict=True):
                of = owners[row]
                # as `models.training.interaction.pool_words`: the mean of a word's tokens
                features[row] = np.stack([tokens[: len(of)][of == place].mean(axis=0) for place in places[row]])
        columns = zip(readings, split, places, features, strict=True)
        return [_Page(reading.text, words, place, feature) for reading, words, place, feature in columns]

    def _proofs(self, pages: Sequence[_Page], images: Sequence[StoredImage], *, words: bool) -> list[Proof]:
        """A proof of each page beside its image."""
        if words:
            return [proof for some in _batches(len(pages)) for proof in self._marked(pages[some], images[some])]
        wrong = [each for some in _batches(len(pages)) for each in self._wrong(pages[some], images[some])]
        texts = (page.text for page in pages)
        return [
            Proof(text, (), _score(each), len(each), self.threshold) for text, each in zip(texts, wrong, strict=True)
        ]

    def _wrong(self, pages: Sequence[_Page], images: Sequence[StoredImage]) -> list[np.ndarray]:
        """For each page calibrated logits (R,) that a word is wrong."""
        wrong = [np.zeros(0, np.float32) for _ in pages]
        if able := [row for row, page in enumerate(pages) if page.places]:
            logits, _ = self._graphs.read(
                [pages[row].features for row in able], [images[row] for row in able], np.zeros((0, 2))
            )
            fitted = self.spec.calibration.slope * logits + self.spec.calibration.intercept
            for row, found in zip(able, fitted, strict=True):
                wrong[row] = found[: len(pages[row].places)]
        return wrong

    def _marked(self, pages: Sequence[_Page], images: Sequence[StoredImage]) -> list[Proof]:
        """A proof of each page, with what belongs in place of its contradicted words."""
        wrong = self._wrong(pages, images)
        corrections: list[dict[int, _Corrections]] = [{} for _ in pages]
        # a second reading, of these alone: most have nothing to correct
        if again := [row for row, logits in enumerate(wrong) if (logits > self._above).any()]:
            places = [
                (turn, place)
                for turn, row in enumerate(again)
                for place in np.flatnonzero(wrong[row] > self._above).tolist()
            ]
            _, answers = self._graphs.read(
                [pages[row].features for row in again], [images[row] for row in again], np.array(places)
            )
            for (turn, place), logits in zip(places, answers, strict=True):
                page = pages[again[turn]]
                number = page.places[place]
                corrections[again[turn]][number] = self._best(logits, page.words[number].text)
        return [self._proof(*each) for each in zip(pages, wrong, corrections, strict=True)]

    def _proof(self, page: _Page, wrong: np.ndarray, corrections: dict[int, _Corrections]) -> Proof:
        support = dict(zip(page.places, np.exp(-np.logaddexp(0, wrong)).tolist(), strict=True))
        contradicted = {page.places[place] for place in np.flatnonzero(wrong > self._limit).tolist()}
        words = tuple(
            WordProof(
                word.text, word.start, word.end, support.get(place), corrections.get(place, ()), place in contradicted
            )
            for place, word in enumerate(page.words)
        )
        return Proof(page.text, words, _score(wrong), len(wrong), self.threshold)

    def _best(self, logits: np.ndarray, written: str) -> _Corrections:
        """The likeliest words by V logits, but for the one that is written there."""
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        order = [place for place in np.argsort(-chances)[: _TOLD + 1] if self.vocabulary[place] != written.lower()]
        return tuple((self.vocabulary[place], float(chances[place])) for place in order[:_TOLD])


def _refuse_unstored(images: object) -> None:
    """Refuse what is no row of stored images, before it is taken for one of another bundle.

    Raises:
        TypeError: saying what was given, and how stored images are made.
    """
    row = isinstance(images, Iterable) and not isinstance(images, str | bytes | np.ndarray)
    given = (
        [each for each in cast("Iterable[object]", images) if not isinstance(each, StoredImage)] if row else [images]
    )
    if not given:
        return
    first = given[0]
    if isinstance(first, StoredImage):
        raise TypeError("one stored image alone is no sequence of them: give [image]")
    what = f"an array {first.shape} of {first.dtype}" if isinstance(first, np.ndarray) else f"a {type(first).__name__}"
    raise TypeError(
        f"{what} is no stored image: call encode_images first, as in "
        "reader.check(text, reader.encode_images(np.stack([bundle.prepare(path.read_bytes())])))"
    )


def _read_whole(reading: Reading, words: Sequence[Word], owners: np.ndarray) -> list[int]:
    """Numbers of the words that have a token and that nothing was cut off from."""
    end = len(reading.text) if reading.cut is None else reading.cut
    return [place for place, word in enumerate(words) if word.end <= end and place in owners]


def _score(wrong: np.ndarray) -> float:
    """The sum of log(1 - P(wrong)) over calibrated logits (R,)."""
    # subtracted: the sum of nothing is 0 and not -0
    return 0 - float(np.logaddexp(0, wrong).sum())


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, count, _BATCH))


def _vocabulary(path: Path, size: int) -> tuple[str, ...]:
    try:
        words = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleInvalid(f"{path} cannot be read ({error}): export the bundle again") from error
    if not isinstance(words, list) or len(words) != size or not all(isinstance(word, str) for word in words):
        raise BundleInvalid(f"{path} is not a JSON list of {size} words: export the bundle again")
    return tuple(words)
