"""A second stage: the module learns on, and not a bit of the towers changes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.negatives.errors import MaskedLmInvalid
from models.negatives.masked_training import MlmSettings
from models.training.checkpoint import CheckpointUnreadable
from models.training.recipe import Recipe, RecipeError
from models.training.second_stage import second_stage
from models.training.session import Session, open_session
from tests.models.training.small import small_recipe

SHORT = ("steps = 20", "steps = 2")
# with batch normalisation, which remembers what it sees
RESIDUAL = ("layers = [1, 1, 1, 1]\nwidth = 4\nsize = 64", "channels = [8, 8, 8]\nstem = 8\nsize = 64")
PROOFREADING = """[proofreading]
width = 8
heads = 2
blocks = 1
levels = 2
side = 2
preference = 1.0

[edits]
again = 0.5
"""
ALONE = """
[proofreading.alone]
steps = 3
learning_rate = 1e-2
blocks = 2

[proofreading.alone.edits]
kinds = {count = 1}
"""
# what only towers learn from, and must not in the second stage
TOWERS_ONLY = """
[tagging]

[late]
width = 8

[schedules.tagging]
last = 0.0
"""


def recipe_of(folder: Path, *parts: str) -> Recipe:
    """The small recipe with these parts."""
    return small_recipe(folder, SHORT, RESIDUAL, ("[optim]", "\n".join([*parts, "[optim]\nema = 0.9"])))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Of two stages."""
    return recipe_of(tmp_path_factory.mktemp("recipe"), PROOFREADING, ALONE, TOWERS_ONLY)


@pytest.fixture(scope="module")
def first(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Its first stage, done."""
    session = open_session(recipe, tmp_path_factory.mktemp("run"))
    list(session.run())
    return session


def opened(first: Session, recipe: Recipe, work: Path) -> Session:
    """The second stage, in a folder of its own with the first's checkpoint, as a command given again opens it."""
    if not work.exists():
        shutil.copytree(first.checkpoint.parent, work)
    again = open_session(recipe, work, every=2)
    assert [] == list(again.run())
    second = second_stage(again, recipe)
    assert second is not None
    return second


def weights(session: Session) -> dict[str, torch.Tensor]:
    """What is exported of a run."""
    return {name: value.clone() for name, value in session.finished().state_dict().items()}


def test_the_towers_stay_to_the_bit_and_the_module_learns(first: Session, recipe: Recipe, tmp_path: Path) -> None:
    """Weights, scale and what batch norms remember are the first stage's average; every block of the module has moved."""
    second = opened(first, recipe, tmp_path / "work")
    before = weights(second)

    steps = list(second.run())

    after, towers = weights(second), weights(first)
    assert [1, 2, 3] == [step.number for step in steps]
    assert {"detection", "correction"} < steps[-1].parts.keys()
    assert not {"preference", "tagging", "late"} & steps[-1].parts.keys()
    for name, value in towers.items():
        if name.startswith("towers."):
            assert torch.equal(value, after[name]), name
    assert any("running_mean" in name for name in towers)
    assert {"module.blocks.1.among.query.weight", "module.blocks.0.think.0.weight", "module.detect.weight"} <= {
        name for name, value in after.items() if not torch.equal(value, before[name])
    }


def test_a_second_stage_that_is_killed_ends_with_the_same_weights(
    first: Session, recipe: Recipe, tmp_path: Path
) -> None:
    """Stopped before its first checkpoint and after it, opened again each time: to the bit what an unbroken one ends with."""
    unbroken = opened(first, recipe, tmp_path / "unbroken")
    list(unbroken.run())
    for stop in (1, 2):
        for step in opened(first, recipe, tmp_path / "killed").run():
            if step.number == stop:
                break

    again = opened(first, recipe, tmp_path / "killed")

    assert 2 == again.trainer.step
    assert [3] == [step.number for step in again.run()]
    for name, value in weights(unbroken).items():
        assert torch.equal(value, weights(again)[name]), name


def test_what_follows_does_not_change_the_towers_run(first: Session, recipe: Recipe, tmp_path: Path) -> None:
    """A recipe without a second stage, or with another, goes on from the same checkpoint; second stages have their own."""
    plain = recipe_of(tmp_path, PROOFREADING, TOWERS_ONLY)
    other = recipe_of(tmp_path, PROOFREADING, ALONE.replace("blocks = 2", "blocks = 3"), TOWERS_ONLY)
    work = first.checkpoint.parent

    same = [open_session(each, work) for each in (plain, recipe, other)]

    assert {first.checkpoint} == {session.checkpoint for session in same}
    assert all(session.trainer.step == 2 for session in same)
    assert second_stage(same[0], plain) is None
    seconds = [second_stage(session, each) for session, each in zip(same[1:], (recipe, other), strict=True)]
    assert 3 == len({first.checkpoint, *(each.checkpoint for each in seconds if each is not None)})


def test_it_is_measured_and_calibrated_as_any_run(first: Session, recipe: Recipe, tmp_path: Path) -> None:
    """Retrieval is the first stage's to the last digit; what it is judged by is what the first is, whatever it was trained on."""
    second = opened(first, recipe, tmp_path / "work")

    figures, before = second.measure().metrics(), first.measure().metrics()

    assert {name: value for name, value in before.items() if not name.startswith("words")}.items() <= figures.items()
    calibration = second.calibrate()
    assert calibration is not None
    assert calibration.words > 0
    captions = [second.materials.pairs("test").caption(row, 2) for row in range(6)]
    drawn, judging = (
        [each.draw(captions, np.random.default_rng(seed)) for seed in range(4)]
        for each in (second.trainer.edits, second.materials.judging)
        if each is not None
    )
    kinds, judged = ({edit.kind for edits in each for edit in edits} for each in (drawn, judging))
    assert kinds == {"count", "none"}
    assert judged - kinds
    assert "several" not in judged


def test_a_damaged_checkpoint_of_it_is_named(first: Session, recipe: Recipe, tmp_path: Path) -> None:
    """A second stage's file that was altered is refused, and says which file to remove."""
    second = opened(first, recipe, tmp_path / "work")
    second.checkpoint.write_bytes(first.checkpoint.read_bytes()[:-1] + b"x")

    with pytest.raises(CheckpointUnreadable, match=second.checkpoint.name):
        opened(first, recipe, tmp_path / "work")


def test_it_may_train_on_edits_of_a_language_model_of_its_own(
    first: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is made of the training captions when its stage begins; the towers are the same run, and judged by rule."""
    short = MlmSettings(steps=2, batch=8, width=16, layers=1, vocabulary=100)
    monkeypatch.setattr("models.training.language_model.MlmSettings", lambda: short)
    masked = recipe_of(
        tmp_path,
        PROOFREADING,
        ALONE.replace("kinds = {count = 1}", "rules = 0\nmasked = 1\nown_lm = true\nlikelihood = 100"),
        TOWERS_ONLY,
    )

    second = opened(first, masked, tmp_path / "work")

    captions = [second.materials.pairs("train").caption(row, 2) for row in range(6)] * 4
    drawn, judging = (
        {edit.kind for edit in each.draw(captions, np.random.default_rng(0))}
        for each in (second.trainer.edits, second.materials.judging)
        if each is not None
    )
    assert "mlm" in drawn
    assert {"mlm", "none"} >= drawn
    assert "mlm" not in judging


@pytest.mark.parametrize(
    ("alone", "said"),
    [
        (ALONE.replace("blocks = 2", "blocks = 0"), r"proofreading\.alone\.blocks"),
        (
            ALONE.replace("kinds = {count = 1}", "masked = 1"),
            r"proofreading\.alone\.edits: masked: give its language model",
        ),
    ],
)
def test_what_a_second_stage_cannot_be_is_refused(tmp_path: Path, alone: str, said: str) -> None:
    """No blocks, and edits that cannot be made, are errors that name the field."""
    with pytest.raises(RecipeError, match=said):
        recipe_of(tmp_path, PROOFREADING, alone)


def test_a_language_model_that_is_missing_is_told_before_the_towers_are_trained(tmp_path: Path) -> None:
    """What only the second stage needs is looked for when the first begins."""
    masked = f'masked = 1\nmasked_lm = "{tmp_path / "nowhere"}"'
    recipe = recipe_of(tmp_path, PROOFREADING, ALONE.replace("kinds = {count = 1}", masked))

    with pytest.raises(MaskedLmInvalid, match="nowhere"):
        open_session(recipe, tmp_path / "work")


def test_it_does_not_take_blocks_away(tmp_path: Path) -> None:
    """Fewer blocks than the first stage's are refused before anything is trained."""
    with pytest.raises(RecipeError, match=r"alone\.blocks: 2 is less than the 3"):
        recipe_of(tmp_path, PROOFREADING.replace("blocks = 1", "blocks = 3"), ALONE)
