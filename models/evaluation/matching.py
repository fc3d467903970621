"""What a cosine of text and image means, fitted on pairs that belong together and on pairs that do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.bundle import Bundle
from models.errors import MatchingInvalid
from models.evaluation.calibration import calibration_error, platt, sigmoid
from models.matching import Matching

# Drawn for each text. More than one, because what is near a text by chance is rare and matters most.
UNMATCHED_A_TEXT = 15
# a line through fewer is a guess
LEAST_TEXTS = 50
# Two numbers need no more, and no more images.
MOST_TEXTS = 2000
_BATCH = 64


@dataclass(frozen=True)
class MatchedTexts:
    """Images and the different texts that belong to them.

    Attributes:
        images: (N, d) float32 unit vectors.
        texts: (T, d) float32 unit vectors.
        owners: for each text the rows of the images that it belongs to.
    """

    images: np.ndarray
    texts: np.ndarray
    owners: Sequence[frozenset[int]]


def matched_texts(bundle: Bundle, images: np.ndarray, captions: Sequence[Sequence[str]], seed: int = 0) -> MatchedTexts:
    """The different captions of images, as the model reads them at once; of very many a sample.

    Args:
        bundle: embeds the texts.
        images: (N, d) float32 unit vectors.
        captions: the texts of each image.
        seed: of the sample.

    Raises:
        TextInvalid: a caption is not Unicode.
    """
    owners: dict[str, set[int]] = {}
    for image, texts in enumerate(captions):
        for text in texts:
            owners.setdefault(text, set()).add(image)
    texts = list(owners)
    chosen = np.random.default_rng(seed).permutation(len(texts))[:MOST_TEXTS].tolist()
    kept = [texts[place] for place in sorted(chosen)]
    vectors: list[np.ndarray] = [np.zeros((0, bundle.manifest.dim), np.float32)]
    belong: list[frozenset[int]] = []
    for at in range(0, len(kept), _BATCH):
        batch = kept[at : at + _BATCH]
        embedded = bundle.embed_texts(batch)
        # what lost its end is another text
        vectors.append(embedded.vectors[~embedded.truncated])
        whole = zip(batch, embedded.truncated.tolist(), strict=True)
        belong += [frozenset(owners[text]) for text, cut in whole if not cut]
    return MatchedTexts(images, np.concatenate(vectors), belong)


def fit_matching(found: MatchedTexts, *, bundle_digest: str, source: str, seed: int = 0) -> Matching:
    """Fit P(text belongs to image) by logistic regression, where one pair in two belongs together.

    There are more unmatched pairs than matched ones in the fit, which moves the intercept alone, by the logarithm of their ratio
    (Prentice and Pyke, "Logistic disease incidence models and case-control studies", 1979): that is taken back.

    Args:
        found: held-out images and texts.
        bundle_digest: of the bundle whose vectors they are.
        source: where they come from, for whoever reads the file.
        seed: of the unmatched pairs.

    Raises:
        MatchingInvalid: too few texts, one image alone, or texts that are no nearer to their images than to others.
    """
    count, images = len(found.texts), len(found.images)
    if count < LEAST_TEXTS or images < 2:
        raise MatchingInvalid(
            f"{source} has {count} different texts of {images} images: {LEAST_TEXTS} texts and 2 images are the least that a "
            "calibration can be fitted on; give more of them"
        )
    cosines, right, texts, first = _pairs(found, np.random.default_rng(seed))
    chances = np.full(len(cosines), 0.5)
    for half in (texts % 2 == 0, texts % 2 == 1):
        slope, intercept = _fitted(cosines[~half], right[~half])
        chances[half] = sigmoid(slope * cosines[half] + intercept)
    slope, intercept = _fitted(cosines, right)
    if slope <= 0:
        raise MatchingInvalid(
            f"the texts of {source} are no nearer to their images than to others: this model does not know them, and its "
            "cosines mean nothing here"
        )
    even = right | first
    return Matching(
        bundle_digest=bundle_digest,
        slope=slope,
        intercept=intercept,
        source=source,
        matched=int(right.sum()),
        unmatched=int((~right).sum()),
        error=calibration_error(chances[even], right[even]),
    )


def _pairs(found: MatchedTexts, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Of P pairs: cosines, whether they belong together, their texts, and whether each is a text's first unmatched one."""
    rows: list[tuple[int, int, bool, bool]] = []
    for text, owners in enumerate(found.owners):
        # one of its images, or a text that many share would count as many
        rows.append((text, min(owners), True, False))
        drawn = dict.fromkeys(rng.integers(len(found.images), size=UNMATCHED_A_TEXT).tolist())
        others = [image for image in drawn if image not in owners]
        rows += [(text, image, False, place == 0) for place, image in enumerate(others)]
    texts, images, right, first = (np.array(column) for column in zip(*rows, strict=True))
    cosines = np.einsum("pd,pd->p", found.texts[texts], found.images[images], dtype=np.float64)
    return cosines, right, texts, first


def _fitted(cosines: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    slope, intercept = platt(cosines, right)
    return slope, intercept + float(np.log(max(1, (~right).sum()) / max(1, right.sum())))
