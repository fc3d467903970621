"""Cosines become probabilities."""

from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import MatchingInvalid
from models.evaluation import matching
from models.evaluation.matching import LEAST_TEXTS, MatchedTexts, fit_matching, matched_texts

DIGEST = "c" * 64


def pairs(count: int = 400, *, noise: float = 1.0, dim: int = 24, seed: int = 0, of: int = 1) -> MatchedTexts:
    """Images, and texts that lie near theirs: *of* for each image."""
    rng = np.random.default_rng(seed)
    images = unit(rng.normal(size=(count, dim)))
    owners = np.repeat(np.arange(count), of)
    texts = unit(images[owners] + noise * unit(rng.normal(size=(len(owners), dim))))
    return MatchedTexts(images, texts, [frozenset([owner]) for owner in owners.tolist()])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Of unit length."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def observed(found: MatchedTexts, low: float, high: float) -> tuple[float, int]:
    """Of all pairs whose cosine lies between, the share that belongs together where one in two does; and how many matched."""
    cosines = found.texts @ found.images.T
    right = np.zeros(cosines.shape, bool)
    for text, owners in enumerate(found.owners):
        right[text, list(owners)] = True
    inside = (cosines >= low) & (cosines < high)
    matched, unmatched = (inside & right).sum() / right.sum(), (inside & ~right).sum() / (~right).sum()
    return float(matched / (matched + unmatched)), int((inside & right).sum())


@pytest.mark.parametrize("noise", [1.0, 2.0])
def test_probabilities_are_what_is_seen(noise: float) -> None:
    """Where one pair in two belongs together, of pairs of a probability about that share does, on pairs never seen."""
    fitted = fit_matching(pairs(1500, noise=noise), bundle_digest=DIGEST, source="drawn")
    fresh = pairs(1500, noise=noise, seed=1)

    seen = 0
    for low in np.arange(-0.2, 0.9, 0.1).tolist():
        share, matched = observed(fresh, low, low + 0.1)
        if matched >= 100:
            assert share == pytest.approx(fitted.probability(low + 0.05), abs=0.1)
            seen += 1
    assert seen >= 3
    assert fitted.error < 0.06


def test_the_more_pairs_are_unmatched_the_same_is_fitted() -> None:
    """That more unmatched pairs are drawn than there are matched ones moves no probability: one pair in two is right."""
    found = pairs(1500, noise=1.5)
    fitted = fit_matching(found, bundle_digest=DIGEST, source="drawn")
    cosines = np.einsum("td,td->t", found.texts, found.images)

    even = -fitted.intercept / fitted.slope
    below = (cosines < even).mean()
    above = ((found.texts @ found.images.T)[~np.eye(1500, dtype=bool)] > even).mean()
    # at the cosine of probability one half as many are wrong on either side, about
    assert below == pytest.approx(above, abs=0.1)
    assert 1500 == fitted.matched
    assert fitted.unmatched > 10 * fitted.matched


def test_a_clearer_model_has_a_steeper_curve() -> None:
    """The better texts and images are told apart, the less lies between sure and unsure."""
    slopes = [fit_matching(pairs(noise=noise), bundle_digest=DIGEST, source="").slope for noise in (3.0, 1.5, 0.8)]

    assert sorted(slopes) == slopes


def test_texts_that_many_share_do_not_count_as_wrong() -> None:
    """A text of every image matches all of them: none of its pairs is taken for unmatched."""
    found = pairs(120)
    everywhere = frozenset(range(120))
    shared = MatchedTexts(found.images, np.concatenate([found.texts, found.texts[:1]]), [*found.owners, everywhere])

    alone, together = (fit_matching(each, bundle_digest=DIGEST, source="") for each in (found, shared))

    assert alone.matched + 1 == together.matched
    assert alone.unmatched == together.unmatched


def test_it_is_the_same_each_time_and_says_where_it_comes_from() -> None:
    """A seed decides what is drawn; the file tells source and bundle."""
    first, again, other = (
        fit_matching(pairs(), bundle_digest=DIGEST, source="photos", seed=seed) for seed in (3, 3, 4)
    )

    assert first == again
    assert first.slope != other.slope
    assert (DIGEST, "photos") == (first.bundle_digest, first.source)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (pairs(LEAST_TEXTS - 1), "give more"),
        (MatchedTexts(pairs(60).images[:1], pairs(60).texts, [frozenset([0])] * 60), "2 images"),
        (MatchedTexts(pairs(60).images, -pairs(60).texts, pairs(60).owners), "does not know"),
    ],
    ids=["few texts", "one image", "texts that are farthest from their own"],
)
def test_what_cannot_be_fitted_is_refused(found: MatchedTexts, said: str) -> None:
    """Too little, and a model that tells nothing apart, end in an error that says what is missing."""
    with pytest.raises(MatchingInvalid, match=said):
        fit_matching(found, bundle_digest=DIGEST, source="photos")


def test_texts_are_taken_once_with_all_their_images(tiny_bundle: Path) -> None:
    """A caption that several images have is one text of all of them; one that loses its end is left out."""
    bundle = Bundle.open(tiny_bundle)
    captions = [("red", "a photo"), ("blue", "a photo"), ("dog " * 100,), ()]
    images = np.eye(4, bundle.manifest.dim, dtype=np.float32)

    found = matched_texts(bundle, images, captions)

    assert sorted([{0}, {0, 1}, {1}], key=sorted) == sorted(map(set, found.owners), key=sorted)
    place = [set(each) for each in found.owners].index({1})
    assert np.allclose(bundle.embed_texts(["blue"]).vectors[0], found.texts[place], atol=1e-5)
    assert images is found.images


def test_of_very_many_texts_a_sample_is_taken(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as are enough, another sample for another seed."""
    monkeypatch.setattr(matching, "MOST_TEXTS", 7)
    bundle = Bundle.open(tiny_bundle)
    captions = [(f"dog {number}",) for number in range(40)]
    images = np.eye(40, bundle.manifest.dim, dtype=np.float32)

    first, again, other = (matched_texts(bundle, images, captions, seed).owners for seed in (0, 0, 1))

    assert 7 == len(first) == len({*first})
    assert first == again != other
