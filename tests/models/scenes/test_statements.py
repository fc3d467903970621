"""What is true of a scene."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scenes.grammar import Scene, SceneObject
from models.scenes.statements import OPPOSITE, Counted, Description, Direction, Has, On, Related, stands, true_of
from tests.models.scenes.strategies import scenes

CIRCLE = SceneObject(0, "circle", "red", "small", "solid")
STAR = SceneObject(8, "star", "blue", "large", "striped")
SCENE = Scene((CIRCLE, STAR), "grey")


@pytest.mark.parametrize(
    ("statement", "truth"),
    [
        (Has(Description("circle", "red")), True),
        (Has(Description("circle", "blue")), False),
        (Has(Description(size="large", pattern="striped", cell=8)), True),
        (Has(Description(cell=4)), False),
        (Related(Description("circle"), "left", Description("star")), True),
        (Related(Description("circle"), "right", Description("star")), False),
        (Related(Description("star"), "below", Description("circle")), True),
        (Counted(1, Description(colour="red")), True),
        (Counted(2, Description()), True),
        (Counted(0, Description("heart")), True),
        (Counted(0, Description("star")), False),
        (On("grey"), True),
        (On("navy"), False),
    ],
)
def test_truth(statement: Has | Related | Counted | On, truth: bool) -> None:
    """A statement holds exactly when the scene is as it says."""
    assert truth == statement.holds(SCENE)


def test_all_statements_must_hold() -> None:
    """One false statement makes the whole false; none at all is true."""
    assert true_of((), SCENE)
    assert true_of((On("grey"), Has(Description("star"))), SCENE)
    assert not true_of((On("grey"), Has(Description("heart"))), SCENE)


@given(scenes(), st.sampled_from(["left", "right", "above", "below"]))
def test_a_relation_and_its_opposite_exclude_each_other(scene: Scene, direction: Direction) -> None:
    """No object stands on both sides of another, and seen from the other the side is the opposite one."""
    for first in scene.objects:
        for second in scene.objects:
            assert not (stands(first, direction, second) and stands(first, OPPOSITE[direction], second))
            assert stands(first, direction, second) == stands(second, OPPOSITE[direction], first)


@given(scenes())
def test_an_open_description_fits_all(scene: Scene) -> None:
    """A description that says nothing fits every object."""
    assert list(scene.objects) == Description().matches(scene)
