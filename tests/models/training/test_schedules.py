"""What changes as a run goes on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.training.recipe import ProofreadingPart, SchedulePart
from models.training.schedules import factors, learning_rate, strength, value
from tests.models.training.small import small_recipe
from tests.models.training.tiny import tiny_recipe

PROOFREADING = ('precision = "fp32"', 'precision = "fp32"\n\n[proofreading]\nwidth = 16\nheads = 2\nvocabulary = 200')


def test_proofreading_begins_slowly(tmp_path: Path) -> None:
    """Its strength rises from 0 to 1 over its warm-up; plain training has none."""
    recipe = small_recipe(tmp_path, PROOFREADING)

    assert [0.0, 0.5, 1.0, 1.0] == [strength(step, recipe) for step in (0, 1, 2, 19)]
    assert 0.0 == strength(19, small_recipe(tmp_path))
    at_once = recipe.model_copy(update={"proofreading": ProofreadingPart(warmup=0)})
    assert [1.0, 1.0] == [strength(step, at_once) for step in (0, 1)]


def test_the_rate_rises_then_falls_to_zero(tmp_path: Path) -> None:
    """The learning rate climbs linearly over the warm-up, then follows half a cosine down to nearly nothing."""
    optim = small_recipe(tmp_path, ("steps = 20", "steps = 100")).optim
    rates = [learning_rate(step, optim) for step in range(100)]

    assert pytest.approx([5e-4 * (step + 1) for step in range(10)]) == rates[:10]
    assert 5e-3 == max(rates)
    assert sorted(rates[10:], reverse=True) == rates[10:]
    assert pytest.approx(2.5e-3) == learning_rate(55, optim)
    assert rates[-1] < 1e-5


@pytest.mark.parametrize(
    ("shape", "expected"), [("linear", [0.2, 0.2, 0.5, 0.8, 0.8]), ("cosine", [0.2, 0.2, 0.5, 0.8, 0.8])]
)
def test_a_schedule_goes_from_its_first_value_to_its_last(shape: str, expected: list[float]) -> None:
    """Before it begins it has its first value, half way the middle, after its end its last."""
    schedule = SchedulePart.model_validate({"shape": shape, "first": 0.2, "last": 0.8, "begin": 0.5, "end": 0.9})

    assert pytest.approx(expected) == [value(schedule, done) for done in (0.0, 0.5, 0.7, 0.9, 1.0)]


def test_a_cosine_is_slow_at_both_ends() -> None:
    """A quarter of the way a cosine has gone less than a quarter, and three quarters more than three."""
    cosine = SchedulePart(shape="cosine", first=0.0, last=1.0)

    assert value(cosine, 0.25) < 0.2
    assert value(cosine, 0.75) > 0.8


@given(done=st.floats(0, 1), first=st.floats(0, 10), last=st.floats(0, 10), shape=st.sampled_from(["linear", "cosine"]))
def test_a_schedule_stays_between_its_ends(done: float, first: float, last: float, shape: str) -> None:
    """No value is beyond the two that were given."""
    schedule = SchedulePart.model_validate({"shape": shape, "first": first, "last": last})

    assert min(first, last) - 1e-9 <= value(schedule, done) <= max(first, last) + 1e-9


def test_factors_join_schedule_and_warm_up() -> None:
    """A loss of proofreading has both; the contrastive loss its schedule alone; without any all is 1 after the warm-up."""
    half = SchedulePart(shape="constant", first=0.5, last=0.5)
    recipe = tiny_recipe(steps=20, schedules={"detection": half, "contrastive": half})

    assert {"detection": 0.0, "correction": 0.0, "contrastive": 0.5} == factors(0, recipe)
    assert {"detection": 0.25, "correction": 0.5, "contrastive": 0.5} == factors(1, recipe)
    assert {"detection": 1.0, "correction": 1.0} == factors(19, tiny_recipe(steps=20))


@pytest.mark.parametrize(
    "fields", [{"shape": "constant", "first": 1.0, "last": 0.5}, {"begin": 0.6, "end": 0.5}, {"first": -1.0}]
)
def test_a_schedule_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    """A constant that changes, an end before the beginning and a negative factor are errors of the recipe."""
    with pytest.raises(ValidationError):
        SchedulePart.model_validate(fields)
