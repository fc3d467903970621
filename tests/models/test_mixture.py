"""The mixture that tells right pairs from wrong ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from models import mixture
from models.mixture import LEAST, clean_probability


def mixed(seed: int, count: int, share: float, gap: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Losses of which a share, marked, is of wrong pairs and lies *gap* higher."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(count) < share
    return np.where(wrong, rng.normal(0.5 + gap, 0.4, count), rng.normal(0.5, 0.3, count)), wrong


@given(st.integers(0, 1000), st.floats(0.15, 0.7))
@settings(max_examples=15)
def test_wrong_pairs_are_told_from_right_ones(seed: int, share: float) -> None:
    """Where the losses are two heaps, nearly all right pairs are thought right and nearly all wrong ones wrong."""
    losses, wrong = mixed(seed, 400, share)

    found = clean_probability(losses)

    assert found[~wrong].mean() > 0.95
    assert found[wrong].mean() < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_corpus_is_not_doubted(seed: int) -> None:
    """Losses that are one heap are all of right pairs, however the heap is cut in two."""
    losses = np.random.default_rng(seed).normal(1.0, 0.3, 2000)

    assert (1 == clean_probability(losses)).all()


@given(st.integers(0, 1000), st.floats(0.1, 0.6), st.floats(0.3, 3))
@settings(max_examples=15)
def test_a_higher_loss_is_never_more_likely_right(seed: int, share: float, gap: float) -> None:
    """Sorted by loss, the probabilities fall, at both ends too, and lie between 0 and 1."""
    losses, _ = mixed(seed, 300, share, gap)

    found = clean_probability(losses)[np.argsort(losses)]

    assert (np.diff(found) <= 1e-12).all()
    assert (found >= 0).all() and (found <= 1).all()


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_neither_order_nor_unit_matters(seed: int) -> None:
    """Pairs in another order keep their probabilities, bit for bit; losses scaled and shifted have the same."""
    losses, _ = mixed(seed, 200, 0.3)
    order = np.random.default_rng(seed).permutation(len(losses))
    found = clean_probability(losses)

    assert (found[order] == clean_probability(losses[order])).all()
    np.testing.assert_allclose(found, clean_probability(12 * losses - 3), atol=1e-6)


@pytest.mark.parametrize(
    "losses",
    [np.zeros(0), np.ones(1), np.arange(LEAST - 1.0), np.full(100, 0.7), np.full(100, 0.7) + 1e-12 * np.arange(100)],
    ids=["none", "one", "few", "equal", "equal but for rounding"],
)
def test_too_little_to_judge_by_is_no_doubt(losses: np.ndarray) -> None:
    """Few losses, or equal ones, leave every pair at 1."""
    found = clean_probability(losses)

    assert losses.shape == found.shape
    assert (1 == found).all()


def test_one_loss_far_off_is_wrong_alone() -> None:
    """A single outlier is doubted, and the others are not."""
    losses = np.append(np.random.default_rng(0).normal(0.5, 0.1, 500), 40.0)

    found = clean_probability(losses)

    assert found[-1] < 0.01
    assert found[:-1].min() > 0.99


def test_losses_that_are_no_numbers_are_refused() -> None:
    """A diverged run is named as such, with how many losses it has lost."""
    with pytest.raises(ValueError, match="2 of 30 losses are not finite"):
        clean_probability(np.append(np.ones(28), [np.nan, np.inf]))


@pytest.mark.parametrize(("seed", "share", "gap"), [(0, 0.05, 2.0), (1, 0.3, 1.0), (2, 0.5, 1.5), (3, 0.1, 0.8)])
def test_it_is_the_mixture_that_scikit_learn_fits(seed: int, share: float, gap: float) -> None:
    """Between the two means the probabilities are those of scikit-learn's Gaussian mixture with the same floor."""
    losses, _ = mixed(seed, 2000, share, gap)
    scaled = (losses - losses.min()) / np.ptp(losses)
    fitted = GaussianMixture(2, reg_covar=5e-4, random_state=0, tol=1e-5, max_iter=300).fit(np.sort(scaled)[:, None])
    low, high = np.sort(fitted.means_.ravel())
    between = (scaled > low) & (scaled < high)

    found = clean_probability(losses)

    expected = fitted.predict_proba(scaled[:, None])[:, fitted.means_.ravel().argmin()]
    np.testing.assert_allclose(found[between], expected[between], atol=0.05)


def test_of_many_losses_some_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long list, of which every so-manieth in order is fitted, is judged nearly as if all of it were."""
    losses, _ = mixed(7, 20_000, 0.2)
    whole = clean_probability(losses)

    monkeypatch.setattr(mixture, "_POINTS", 2_000)

    np.testing.assert_allclose(whole, clean_probability(losses), atol=0.05)
