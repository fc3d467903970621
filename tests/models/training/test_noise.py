"""Noise by loss: the ledger that feeds the mixture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.mixture import clean_probability
from models.training.losses import contrastive, pair_losses
from models.training.noise import Ledger
from tests.models.test_mixture import mixed
from tests.models.training.losses.units import units


def _epoch(ledger: Ledger, losses: np.ndarray) -> None:
    """One epoch over pictures with one caption each, in batches of 16."""
    for rows in torch.arange(len(losses)).split(16):
        ledger.record(rows, torch.zeros_like(rows), torch.from_numpy(losses)[rows])
    ledger.close()


@pytest.mark.parametrize(("warmup", "trusting"), [(0, 1), (1, 1), (3, 3)])
def test_weights_are_one_until_the_warm_up_is_over(warmup: int, trusting: int) -> None:
    """Through the warm-up, the first epoch at least, every pair weighs 1; after it the mixture weighs."""
    losses, wrong = mixed(1, 200, 0.3)
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
    losses, wrong = mixed(2, len(pairs), 0.25)
    ledger = Ledger(counts, 1)

    ledger.record(rows, choices, torch.from_numpy(losses))
    ledger.close()

    assert (wrong == (ledger.weights(rows, choices) < 0.5).numpy()).mean() > 0.98


def test_pairs_that_an_epoch_did_not_see_keep_their_weight() -> None:
    """The weights of the unseen stay, while the seen are weighed anew."""
    losses, wrong = mixed(3, 200, 0.3)
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
    losses, _ = mixed(4, 64, 0.4)
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
    losses, wrong = mixed(5, 200, 0.4)
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
