"""A run from recipe to figures."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.evaluation.dataset import Entry
from models.manifest import Preprocess
from models.negatives.masked_lm import save_masked_lm
from models.negatives.masked_training import MlmSettings, train_masked_lm
from models.scenes.captions import KINDS
from models.scenes.corpus import example
from models.training.clips import ClipArrays, ClipFiles
from models.training.data import SceneArrays
from models.training.recipe import RecipeError
from models.training.session import Session, labels_of, open_session
from tests.models.evaluation.made import reader
from tests.models.training.small import small_recipe
from tests.models.training.test_materials import PROOFREADING, SCENES
from tests.models.training.test_sources import write_jsonl

SHORT = ("steps = 20", "steps = 3")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A finished run of three steps."""
    folder = tmp_path_factory.mktemp("run")
    made = open_session(small_recipe(folder, SHORT), folder / "work")
    list(made.run())
    return made


def test_a_finished_run_has_nothing_left_to_do(done: Session) -> None:
    """Opened again, the run stands at its last step with its weights, and yields no step."""
    again = open_session(done.recipe, done.checkpoint.parent)

    assert [] == list(again.run())
    for name, value in done.model.state_dict().items():
        torch.testing.assert_close(value, again.model.state_dict()[name], rtol=0, atol=0)


def test_changed_captions_are_another_run(tmp_path: Path) -> None:
    """What was trained on other captions, whose tokenizer learnt other words, is not gone on with; what was is still there."""
    source = f'source = "jsonl"\npath = "{tmp_path / "all.jsonl"}"\ntrain = ["train", "restval"]'
    recipe = small_recipe(tmp_path, SHORT, (SCENES, source), ("batch = 8", "batch = 2"))

    steps = []
    for words in ("", " again", ""):
        part = write_jsonl(tmp_path)
        part.path.write_text(part.path.read_text().replace("red", f"red{words}"))
        run = open_session(recipe, tmp_path / "work")
        steps.append((run.trainer.step, len(list(run.run()))))

    assert [(0, 3), (0, 3), (3, 0)] == steps


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_missing_split_is_told_before_the_first_step(tmp_path: Path, split: str) -> None:
    """A recipe that names a validation or test split that is not there is refused at once, by the name of the field."""
    part = write_jsonl(tmp_path)
    source = f'source = "jsonl"\npath = "{part.path}"\ntrain = ["train", "restval"]\n{split} = ["dev"]'
    recipe = small_recipe(tmp_path, SHORT, (SCENES, source), ("batch = 8", "batch = 2"))

    with pytest.raises(RecipeError, match=rf"^data\.{split}: .*has no split 'dev': it has restval, test, train, val"):
        open_session(recipe, tmp_path / "work")


def test_a_run_that_is_done_can_be_measured_on_another_split(tmp_path: Path, done: Session) -> None:
    """With another test split in its recipe the same run is opened, and nothing of it is trained again."""
    again = open_session(small_recipe(tmp_path, SHORT, ("test = 6", "test = 5")), done.checkpoint.parent)

    assert [] == list(again.run())
    assert 5 == again.measure().images


def test_a_run_on_few_pictures_is_measured_as_far_as_it_can_be(tmp_path: Path) -> None:
    """One picture to test on has no other to be shown beside: its module's figures are left out, retrieval's are not."""
    recipe = small_recipe(tmp_path, SHORT, PROOFREADING, ("test = 6", "test = 1"))

    figures = open_session(recipe, tmp_path / "work").measure().figures

    assert "t2i_r1" in figures
    assert not [name for name in figures if name.startswith("words")]


def test_a_killed_run_loses_the_steps_since_its_checkpoint_only(tmp_path: Path, done: Session) -> None:
    """A run that stops goes on from the last multiple of the checkpoint's interval, to the very same weights."""
    killed = open_session(done.recipe, tmp_path, every=2)
    for step in killed.run():
        if step.number == 2:
            break

    again = open_session(done.recipe, tmp_path)

    assert [3] == [step.number for step in again.run()]
    for name, value in done.model.state_dict().items():
        torch.testing.assert_close(value, again.model.state_dict()[name], rtol=0, atol=0)


def test_parts_of_a_recipe_reach_the_run(tmp_path: Path, tiny_bundle: Path) -> None:
    """Late interaction, a teacher, layer-wise rates and images that judge edits, from the file to the log, and through a stop.

    And another language model under the same path is another run.
    """
    texts = [text for number in range(8) for text in example("train", number, 2, 32).captions]
    for steps, name in ((1, "mlm"), (2, "other")):
        training = train_masked_lm(texts, MlmSettings(steps=steps, batch=8, width=16, layers=1, vocabulary=100))
        list(training.run())
        save_masked_lm(training.model(), tmp_path / name)
    parts = f"""[proofreading]
width = 16
vocabulary = 50

[edits]
masked = 1
rules = 0
masked_lm = "{tmp_path / "mlm"}"
refuted = -0.01

[late]
width = 8

[teacher]
bundle = "{tiny_bundle}"

[schedules.affinity]
last = 0.5

[optim]
layer_decay = 0.9
ema = 0.9"""
    recipe = small_recipe(tmp_path, SHORT, ("[optim]", parts))
    whole, stopped = (open_session(recipe, tmp_path / name, every=2) for name in ("whole", "stopped"))
    steps = list(whole.run())
    for step in stopped.run():
        if step.number == 2:
            break
    resumed = open_session(recipe, tmp_path / "stopped", every=2)
    assert [3] == [step.number for step in resumed.run()]

    assert {"contrastive", "late", "affinity", "detection", "correction"} <= steps[-1].parts.keys()
    assert any(step.looks["unrefuted"] > 0 for step in steps)
    assert 3 < len({group["factor"] for group in whole.trainer._trainable.optimizer.param_groups})
    for name, value in whole.trainer.objective.state_dict().items():
        torch.testing.assert_close(value, resumed.trainer.objective.state_dict()[name], rtol=0, atol=0)
    shutil.rmtree(tmp_path / "mlm")
    (tmp_path / "other").rename(tmp_path / "mlm")
    anew = open_session(recipe, tmp_path / "whole", every=2)
    assert 0 == anew.trainer.step
    assert whole.digest != anew.digest


def test_measuring_covers_the_test_split_by_group(done: Session) -> None:
    """Figures are over all test scenes and captions, and for each kind of caption and novelty."""
    found = done.measure()

    assert (6, 30) == (found.images, found.captions)
    assert {*KINDS} <= set(found.groups) <= {*KINDS, "held-back", "seen"}
    assert 30 == sum(found.groups[kind].captions for kind in KINDS)


def test_validating_is_repeatable_and_harmless(done: Session) -> None:
    """The figure on the validation scenes is a share, and looking at it changes neither the figure nor the weights."""
    before = {name: value.clone() for name, value in done.model.state_dict().items()}

    first = done.validate()

    assert 0 <= first == done.validate() <= 1
    for name, value in before.items():
        torch.testing.assert_close(value, done.model.state_dict()[name], rtol=0, atol=0)


def test_labels_follow_the_scenes(done: Session) -> None:
    """Each caption has its kind and its scene's novelty, five by five."""
    scenes = done.materials.pairs("test")
    assert isinstance(scenes, SceneArrays)

    labels = labels_of(scenes)

    assert labels is not None
    assert [*KINDS] * 6 == [kind for kind, _ in labels]
    assert scenes.held_back.tolist() == ["held-back" == novelty for _, novelty in labels[::5]]


def test_labels_of_clips_and_of_files() -> None:
    """A clip's captions have its novelty, three by three; of files nothing is known."""
    clips = ClipArrays(np.zeros((2, 1, 1, 1, 3), np.uint8), [("a", "b", "c")] * 2, np.array([True, False]), 1)

    assert [("held-back",)] * 3 + [("seen",)] * 3 == labels_of(clips)
    spec = Preprocess(size=16, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    assert labels_of(ClipFiles([Entry("v", reader(b""), ("x",))], spec, 2)) is None


def test_the_specs_say_what_the_towers_were_trained_with(done: Session) -> None:
    """The manifest's preprocessing and text rules are those of the run: size, normalisation, context and end marker."""
    preprocess, text = done.preprocess(), done.text_spec()

    assert (64, "shortest", (0.5,) * 3, (0.25,) * 3) == (
        preprocess.size,
        preprocess.resize,
        preprocess.mean,
        preprocess.std,
    )
    assert (64, True, done.tokenizer.get_vocab_size() - 1) == (text.context_length, text.causal, text.eot_id)


def test_a_context_too_short_for_the_captions_is_refused(tmp_path: Path) -> None:
    """A recipe whose context would cut training captions is an error with both lengths, before any step."""
    recipe = small_recipe(tmp_path, ("context_length = 64", "context_length = 20"))

    with pytest.raises(RecipeError, match=r"text\.context_length 20 is less than the longest caption's \d+ tokens"):
        open_session(recipe, tmp_path / "work")
