"""What a teacher's words cost a student, against the formulas."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.distill import Lesson, Taught, affinity, away
from tests.models.training.losses.units import gradients, units

SCALE = torch.tensor(6.0, dtype=torch.float64)


def _taught(seed: int, pairs: int, dim: int = 7) -> Taught:
    """A teacher of other dimension than the student's four."""
    return Taught(units(seed, pairs, dim), units(seed + 1, pairs, dim), 11.0)


def _naive(images: torch.Tensor, texts: torch.Tensor, taught: Taught, temperature: float) -> torch.Tensor:
    """Each pair's divergence in loops: cross-entropy to the teacher's choices, less those choices' own entropy."""
    found: list[torch.Tensor] = []
    for pair in range(len(images)):
        sides: list[torch.Tensor] = []
        for mine, others, teacher, teachers in (
            (images[pair], texts, taught.images[pair], taught.texts),
            (texts[pair], images, taught.texts[pair], taught.images),
        ):
            student = torch.stack([SCALE * mine @ other / temperature for other in others]).softmax(0)
            choice = torch.stack([taught.scale * teacher @ other / temperature for other in teachers]).softmax(0)
            sides.append((choice * (choice.log() - student.log())).sum())
        found.append((sides[0] + sides[1]) / 2)
    return torch.stack(found)


@given(st.integers(0, 1000), st.integers(1, 5), st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=25)
def test_affinity_equals_the_formula(seed: int, pairs: int, temperature: float) -> None:
    """Loss and gradients are those of loops in float64, with weights and at any temperature."""
    images, texts = units(seed, pairs, 4).requires_grad_(), units(seed + 1, pairs, 4).requires_grad_()
    taught = _taught(seed + 2, pairs)
    weights = torch.rand(pairs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.01
    each = _naive(images, texts, taught, temperature)
    expected = temperature**2 * (weights * each).sum() / weights.sum()

    found = affinity(images, texts, SCALE, taught, temperature=temperature, weights=weights)

    torch.testing.assert_close(expected, found, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(
        gradients(expected, images, texts), gradients(found, images, texts), rtol=1e-7, atol=1e-8
    )


@given(st.integers(0, 1000), st.integers(2, 6))
@settings(max_examples=25)
def test_a_student_that_chooses_as_its_teacher_pays_nothing(seed: int, pairs: int) -> None:
    """Where all similarities agree the loss and its gradient are 0, though the spaces are turned; elsewhere it is above."""
    images, texts = units(seed, pairs, 5).requires_grad_(), units(seed + 1, pairs, 5)
    turn = torch.linalg.qr(units(seed + 2, 5, 5)).Q
    agreeing = Taught((images @ turn).detach(), texts @ turn, SCALE.item())

    found = affinity(images, texts, SCALE, agreeing)

    assert found.item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(torch.zeros_like(images), gradients(found, images)[0], rtol=0, atol=1e-12)
    assert affinity(images, texts, SCALE, _taught(seed + 3, pairs)) > 0


@given(st.integers(0, 1000), st.integers(2, 6))
@settings(max_examples=25)
def test_order_does_not_matter(seed: int, pairs: int) -> None:
    """Pairs in another order, teacher's and student's alike, have the same loss."""
    images, texts, taught = units(seed, pairs, 4), units(seed + 1, pairs, 4), _taught(seed, pairs)
    order = torch.randperm(pairs, generator=torch.Generator().manual_seed(seed))
    moved = Taught(taught.images[order], taught.texts[order], taught.scale)

    torch.testing.assert_close(
        affinity(images, texts, SCALE, taught), affinity(images[order], texts[order], SCALE, moved)
    )


def test_equal_weights_are_none_and_no_weight_is_no_loss() -> None:
    """A constant weight changes nothing; a pair of weight 0 asks for nothing; all at 0 leave 0."""
    images, texts, taught = units(0, 4, 4), units(1, 4, 4), _taught(2, 4)
    plain = affinity(images, texts, SCALE, taught)
    first = torch.tensor([1.0, 0, 0, 0])

    torch.testing.assert_close(plain, affinity(images, texts, SCALE, taught, weights=torch.full((4,), 0.3)))
    torch.testing.assert_close(
        _naive(images, texts, taught, 1.0)[0], affinity(images, texts, SCALE, taught, weights=first)
    )
    assert 0 == affinity(images, texts, SCALE, taught, weights=torch.zeros(4))


def test_autocast_takes_no_digits() -> None:
    """Under bf16 autocast the loss is what it is without: differences of cosines below a hundredth must count."""
    images, texts = units(0, 5, 4).float(), units(1, 5, 4).float()
    taught = Taught(units(2, 5, 7).float(), units(3, 5, 7).float(), 100.0)

    with torch.autocast("cpu", torch.bfloat16):
        found = affinity(images, texts, torch.tensor(100.0), taught)

    assert torch.equal(affinity(images, texts, torch.tensor(100.0), taught), found)


@given(st.integers(0, 1000), st.integers(1, 5))
@settings(max_examples=25)
def test_away_is_half_the_squared_distance_of_unit_vectors(seed: int, count: int) -> None:
    """Between 0 for equal directions and 2 for opposite ones; the student's length does not matter."""
    mine, theirs = units(seed, count, 6), units(seed + 1, count, 6)

    torch.testing.assert_close((mine - theirs).square().sum(dim=1).mean() / 2, away(3.7 * mine, theirs))
    assert 0 == pytest.approx(away(mine, mine).item())
    assert 2 == pytest.approx(away(mine, -mine).item())


def test_a_lesson_is_the_affinity_at_its_temperature() -> None:
    """Weights of the pairs and the temperature count; the lesson's own weight is for whoever sums the losses."""
    images, texts, weights = units(0, 4, 4), units(1, 4, 4), torch.tensor([1.0, 0.0, 0.5, 1.0])
    lesson = Lesson(_taught(2, 4), weight=7.0, temperature=2.0)

    expected = affinity(images, texts, SCALE, lesson.taught, temperature=2.0, weights=weights)
    torch.testing.assert_close(expected, lesson.loss(images, texts, SCALE, weights))
