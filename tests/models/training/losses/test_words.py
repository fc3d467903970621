"""Detection and correction, whole and in parts."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from models.training.losses import correction, detection, word_counts
from tests.models.training.losses.units import gradients


def _texts(seed: int, count: int, words: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Float64 logits of texts, which words are wrong, and which are there."""
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, words, generator=rng, dtype=torch.float64).requires_grad_()
    wrong = torch.rand(count, words, generator=rng) < 0.3
    return logits, wrong, torch.rand(count, words, generator=rng) < 0.8


def test_detection_weighs_right_and_wrong_alike() -> None:
    """One wrong word among nine right ones has half of the loss; padding has none."""
    logits = torch.zeros(1, 12)
    logits[0, 0] = 2.0
    wrong = torch.zeros(1, 12, dtype=torch.bool)
    wrong[0, 0] = wrong[0, 11] = True
    there = torch.ones(1, 12, dtype=torch.bool)
    there[0, 10:] = False

    found = detection(logits, wrong, there)

    assert (math.log1p(math.exp(-2.0)) + math.log(2)) / 2 == pytest.approx(found.item())


@pytest.mark.parametrize("wrong", [True, False])
def test_detection_of_one_kind_is_nothing(wrong: bool) -> None:
    """Where all words are right, or all wrong, there is nothing to tell apart: no loss, and no gradient, but a graph."""
    logits = torch.randn(2, 3, requires_grad=True)

    loss = detection(logits, torch.full((2, 3), wrong), torch.ones(2, 3, dtype=torch.bool))
    loss.backward()

    assert 0 == loss.item()
    assert logits.grad is not None and not logits.grad.any()


@given(st.integers(0, 1000), st.integers(2, 9), st.integers(1, 8))
def test_detection_adds_up_over_parts(seed: int, count: int, cut: int) -> None:
    """With the joint batch's counts, parts of it have losses and gradients that add up to the whole's."""
    logits, wrong, there = _texts(seed, count)
    cut = min(cut, count - 1)
    parts = [slice(0, cut), slice(cut, None)]
    counts = torch.stack([word_counts(wrong[part], there[part]) for part in parts]).sum(0)

    whole = detection(logits, wrong, there)
    added = sum((detection(logits[part], wrong[part], there[part], counts) for part in parts), torch.tensor(0.0))

    torch.testing.assert_close(whole, added.to(whole), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients(whole, logits), gradients(added, logits), rtol=1e-12, atol=1e-12)


def test_a_part_without_wrong_words_still_says_that_its_words_are_right() -> None:
    """Where the joint batch has wrong words, a part that has none has the loss of its right ones."""
    logits, there = torch.tensor([[0.5, -1.0]]), torch.ones(1, 2, dtype=torch.bool)

    found = detection(logits, torch.zeros(1, 2, dtype=torch.bool), there, torch.tensor([3, 4]))

    assert sum(math.log1p(math.exp(each)) for each in (0.5, -1.0)) / 4 / 2 == pytest.approx(found.item())


@given(st.integers(0, 1000), st.integers(1, 6))
def test_detection_does_not_care_for_order(seed: int, count: int) -> None:
    """Texts in another order, and words within them, give the same loss, and each its own gradient."""
    logits, wrong, there = _texts(seed, count)
    texts = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    words = torch.randperm(7, generator=torch.Generator().manual_seed(seed + 1))
    moved = logits[texts][:, words]

    here, elsewhere = detection(logits, wrong, there), detection(moved, wrong[texts][:, words], there[texts][:, words])

    torch.testing.assert_close(here, elsewhere, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients(here, logits), gradients(elsewhere, logits), rtol=1e-12, atol=1e-12)


def test_counts_are_of_words_that_are_there() -> None:
    """Padding is neither wrong nor right."""
    _, wrong, there = _texts(3, 50)

    assert [int((wrong & there).sum()), int((~wrong & there).sum())] == word_counts(wrong, there).tolist()
    assert int(there.sum()) == int(word_counts(wrong, there).sum())


def test_correction_is_cross_entropy_and_may_be_empty() -> None:
    """The mean of -log p(right word); without wrong words it is 0 and can be descended."""
    logits = torch.randn(3, 5, requires_grad=True)
    words = torch.tensor([1, 4, 0])
    expected = -logits.log_softmax(-1)[torch.arange(3), words].mean()

    torch.testing.assert_close(expected, correction(logits, words))
    empty = correction(logits[:0], words[:0])
    empty.backward()

    assert 0 == empty.item()


@given(st.integers(0, 1000), st.integers(0, 8))
def test_correction_adds_up_over_parts(seed: int, cut: int) -> None:
    """With the joint batch's count, parts of it, an empty one too, have losses that add up to the whole's."""
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(8, 5, generator=rng, dtype=torch.float64)
    words = torch.randint(5, (8,), generator=rng)

    added = correction(logits[:cut], words[:cut], 8) + correction(logits[cut:], words[cut:], 8)

    torch.testing.assert_close(functional.cross_entropy(logits, words), added, rtol=1e-12, atol=1e-12)


def test_half_precision_is_widened() -> None:
    """Logits that autocast left in bf16 give a loss in float32: its thousands of terms would not add up in half."""
    logits = torch.randn(2, 3).bfloat16()
    wrong = torch.tensor([[True, False, False], [False, True, False]])

    assert torch.float32 == detection(logits, wrong, torch.ones_like(wrong)).dtype
    assert torch.float32 == correction(logits, torch.tensor([0, 1])).dtype
