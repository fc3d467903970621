"""Noise by loss: the mixture, and the ledger that feeds it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.losses import contrastive, pair_losses
from models.training.noise import LEAST, Ledger, clean_probability
from tests.models.training.losses.units import units


def _mixed(seed: int, count: int, share: float, gap: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Losses of which a share, marked, is of wrong pairs and lies *gap* higher."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(count) < share
    return np.where(wrong, rng.normal(0.5 + gap, 0.4, count), rng.normal(0.5, 0.3, count)), wrong


@given(st.integers(0, 1000), st.floats(0.15, 0.7))
@settings(max_examples=15)
def test_wrong_pairs_are_told_from_right_ones(seed: int, share: float) -> None:
    """Where the losses are two heaps, nearly all right pairs are thought right and nearly all wrong ones wrong."""
    losses, wrong = _mixed(seed, 400, share)

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
    losses, _ = _mixed(seed, 300, share, gap)

    found = clean_probability(losses)[np.argsort(losses)]

    assert (np.diff(found) <= 1e-12).all()
    assert (found >= 0).all() and (found <= 1).all()


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_neither_order_nor_unit_matters(seed: int) -> None:
    """Pairs in another order keep their probabilities, bit for bit; losses scaled and shifted have the same."""
    losses, _ = _mixed(seed, 200, 0.3)
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


def _epoch(ledger: Ledger, losses: np.ndarray) -> None:
    """One epoch over pictures with one caption each, in batches of 16."""
    for rows in torch.arange(len(losses)).split(16):
        ledger.record(rows, torch.zeros_like(rows), torch.from_numpy(losses)[rows])
    ledger.close()


@pytest.mark.parametrize(("warmup", "trusting"), [(0, 1), (1, 1), (3, 3)])
def test_weights_are_one_until_the_warm_up_is_over(warmup: int, trusting: int) -> None:
    """Through the warm-up, the first epoch at least, every pair weighs 1; after it the mixture weighs."""
    losses, wrong = _mixed(1, 200, 0.3)
    ledger = Ledger([1] * 200, warmup)
    rows = torch.arange(200)

    seen = []
    for _ in range(trusting + 1):
        seen.append(ledger.weights(rows, torch.zeros_like(rows)))
        _epoch(ledger, losses)

    assert all((1 == each).all() for each in seen[:trusting])
    np.testing.assert_allclose(seen[trusting], clean_probability(losses), atol=1e-6)
    assert wrong.mean() == pytest.approx(ledger.doubt, abs=0.05)


def test_a_pair_is_a_picture_with_one_of_its_captions() -> None:
    """Of a picture with a right caption and a wrong one only the wrong one is doubted; pictures may differ in captions."""
    counts = [1 + row % 3 for row in range(120)]
    pairs = [(row, choice) for row, count in enumerate(counts) for choice in range(count)]
    rows, choices = torch.tensor(pairs).T
    losses, wrong = _mixed(2, len(pairs), 0.25)
    ledger = Ledger(counts, 1)

    ledger.record(rows, choices, torch.from_numpy(losses))
    ledger.close()

    assert (wrong == (ledger.weights(rows, choices) < 0.5).numpy()).mean() > 0.98


def test_pairs_that_an_epoch_did_not_see_keep_their_weight() -> None:
    """The weights of the unseen stay, while the seen are weighed anew."""
    losses, wrong = _mixed(3, 200, 0.3)
    ledger = Ledger([1] * 200, 1)
    _epoch(ledger, losses)
    rows, none = torch.arange(200), torch.zeros(200, dtype=torch.int64)
    before = ledger.weights(rows, none)

    _epoch(ledger, np.full(100, 0.3))

    assert (1 == ledger.weights(rows, none)[:100]).all()
    assert torch.equal(before[100:], ledger.weights(rows, none)[100:])
    assert wrong[:100].any()


@given(st.integers(0, 11))
@settings(max_examples=8)
def test_a_resumed_ledger_goes_on_as_if_not_stopped(stop: int) -> None:
    """Whenever its state is taken, within an epoch too, a fresh ledger with that state ends with the same weights."""
    losses, _ = _mixed(4, 64, 0.4)
    whole, fresh = Ledger([1] * 64, 2), Ledger([1] * 64, 2)
    rows = list(torch.arange(64).split(16)) * 3
    for step, some in enumerate(rows):
        if step == stop:
            fresh.load_state(whole.state())
        for ledger in (whole, fresh) if step >= stop else (whole,):
            ledger.record(some, torch.zeros_like(some), torch.from_numpy(losses)[some] + step)
            if (step + 1) % 4 == 0:
                ledger.close()
    every = torch.arange(64)

    assert whole.epochs == fresh.epochs == 3
    assert torch.equal(whole.weights(every, every * 0), fresh.weights(every, every * 0))


def test_a_loss_that_is_no_number_is_not_seen() -> None:
    """Where a step in half precision leaves infinity or no number, the pair keeps its weight, and the others are weighed."""
    losses, wrong = _mixed(5, 200, 0.4)
    losses[:2] = np.inf, np.nan
    ledger, rows, none = Ledger([1] * 200, 1), torch.arange(200), torch.zeros(200, dtype=torch.int64)

    _epoch(ledger, losses)
    weights = ledger.weights(rows, none).numpy()

    assert (1 == weights[:2]).all()
    np.testing.assert_allclose(weights[2:], clean_probability(losses[2:]), atol=1e-6)
    assert wrong[2:].any()


def test_a_ledger_of_another_corpus_is_refused() -> None:
    """A state of more pairs does not fit, and the message says how many each has."""
    ledger = Ledger([2, 2], 1)

    with pytest.raises(ValueError, match="of 5 pairs and the corpus has 4"):
        ledger.load_state(Ledger([5], 1).state())


def test_noise_in_embeddings_is_found_and_taken_out() -> None:
    """Of pairs with exchanged texts the losses betray which; weighed so, the loss comes near that of the right pairs alone."""
    images = units(0, 60, 32)
    texts = images + 0.3 * units(1, 60, 32)
    texts[:12] = texts[:12].roll(1, dims=0)
    texts, scale = texts / texts.norm(dim=1, keepdim=True), torch.tensor(20.0)
    ledger, rows, none = Ledger([1] * 60, 1), torch.arange(60), torch.zeros(60, dtype=torch.int64)

    ledger.record(rows, none, pair_losses(images, texts, scale))
    ledger.close()
    weights = ledger.weights(rows, none)

    assert weights[:12].max() < 0.1
    assert weights[12:].min() > 0.9
    right = pair_losses(images, texts, scale)[12:].mean()
    assert right.item() == pytest.approx(contrastive(images, texts, scale, weights=weights).item(), abs=0.05)
