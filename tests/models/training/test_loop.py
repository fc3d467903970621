"""The loop: it learns, and it goes on where it stopped."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from models.evaluation.retrieval import evaluate
from models.training.batches import Batches
from models.training.checkpoint import resume, save_checkpoint
from models.training.clips import any_moment, load_clips
from models.training.data import SceneArrays, load_scenes
from models.training.editing import EditMaker, Vocabulary
from models.training.loop import MAX_LOG_SCALE, Trainer, embed
from models.training.objective import Objective, with_proofreading
from models.training.recipe import Recipe
from models.training.tokenizer import train_tokenizer
from models.training.towers import build_towers
from tests.models.training.edits import ColourEditor
from tests.models.training.small import small_recipe

PROOFREADING = ('precision = "fp32"', 'precision = "fp32"\n\n[proofreading]\nwidth = 16\nheads = 2\nvocabulary = 200')


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> SceneArrays:
    """Eight training scenes of 64 pixels."""
    return load_scenes(tmp_path_factory.mktemp("cache"), "train", 8, seed=2, size=64)


@pytest.fixture(scope="module")
def tokenizer(scenes: SceneArrays) -> Tokenizer:
    """A tokenizer that knows their captions."""
    return train_tokenizer((text for texts in scenes.captions for text in texts), 512)


def _trainer(recipe: Recipe, tokenizer: Tokenizer, scenes: SceneArrays) -> Trainer:
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    towers = build_towers(recipe, tokenizer.get_vocab_size())
    part = recipe.proofreading
    if part is None:
        return Trainer(recipe, Objective(towers), Batches(scenes, tokenizer, recipe.optim.batch, recipe.seed))
    vocabulary = Vocabulary.of((text for texts in scenes.captions for text in texts), part.vocabulary)
    objective = with_proofreading(towers, part, recipe.image.size, len(vocabulary))
    edits = EditMaker(ColourEditor(), tokenizer, vocabulary, part.unedited)
    return Trainer(recipe, objective, Batches(scenes, tokenizer, recipe.optim.batch, recipe.seed, edits))


def test_twenty_steps_learn_eight_scenes_by_heart(tmp_path: Path, scenes: SceneArrays, tokenizer: Tokenizer) -> None:
    """On eight scenes the loss falls far below chance, log 8, within twenty steps."""
    trainer = _trainer(small_recipe(tmp_path), tokenizer, scenes)

    losses = [step.loss for step in trainer.run()]

    assert 20 == len(losses) == trainer.step
    assert losses[0] > math.log(8) - 1
    assert np.mean(losses[-3:]) < 0.5 * math.log(8)


def test_clips_are_learnt_by_heart_too(tmp_path: Path) -> None:
    """Eight clips, four frames of each drawn anew at every step: the loss falls as far, and their middles are found."""
    clips = load_clips(tmp_path, "train", 8, seed=2, size=64, frames=4)
    recipe = small_recipe(tmp_path, ("steps = 20", "steps = 60"))
    tokenizer = train_tokenizer((text for texts in clips.captions for text in texts), 512)
    torch.manual_seed(recipe.seed)
    towers = build_towers(recipe, tokenizer.get_vocab_size())
    trainer = Trainer(recipe, Objective(towers), Batches(clips, tokenizer, 8, recipe.seed, view=any_moment))

    losses = [step.loss for step in trainer.run()]

    assert np.mean(losses[-3:]) < 0.5 * math.log(8)
    images, texts, owners = embed(towers, clips, tokenizer)
    assert ((8, 16), (24, 16)) == (images.shape, texts.shape)
    assert (owners == (texts @ images.T).argmax(axis=1)).mean() > 0.5


@pytest.mark.parametrize("changes", [[], [PROOFREADING]])
@pytest.mark.parametrize("stop", [1, 7])
def test_a_stopped_run_goes_on_as_if_it_had_not(
    tmp_path: Path, scenes: SceneArrays, tokenizer: Tokenizer, stop: int, changes: list[tuple[str, str]]
) -> None:
    """Weights after a stop, a checkpoint and a fresh process's trainer equal those of a run without a stop, to the bit."""
    recipe = small_recipe(tmp_path, ("steps = 20", "steps = 10"), ("batch = 8", "batch = 4"), *changes)
    whole = _trainer(recipe, tokenizer, scenes)
    list(whole.run())

    stopped = _trainer(recipe, tokenizer, scenes)
    list(stopped.run(until=stop))
    save_checkpoint(tmp_path / "state.pt", stopped)
    resumed = _trainer(recipe, tokenizer, scenes)
    assert resume(resumed, tmp_path / "state.pt")
    list(resumed.run())

    assert 10 == resumed.step
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(value, resumed.model.state_dict()[name], rtol=0, atol=0, msg=name)


def test_proofreading_is_learnt(tmp_path: Path, scenes: SceneArrays, tokenizer: Tokenizer) -> None:
    """Wrong words and what belongs there are learnt beside the pairs: every part of the loss falls below its start."""
    recipe = small_recipe(tmp_path, ("steps = 20", "steps = 60"), PROOFREADING)

    parts = [step.parts for step in _trainer(recipe, tokenizer, scenes).run()]

    assert {"total", "contrastive", "detection", "correction"} == parts[0].keys()
    for name in ("contrastive", "detection", "correction"):
        assert np.mean([part[name] for part in parts[-5:]]) < 0.8 * np.mean([part[name] for part in parts[:5]]), name


def test_progress_counts_down(tmp_path: Path, scenes: SceneArrays, tokenizer: Tokenizer) -> None:
    """Each step says its number, the last one, a rate above zero and, at the end, no time left."""
    steps = list(_trainer(small_recipe(tmp_path, ("steps = 20", "steps = 3")), tokenizer, scenes).run())

    assert [(1, 3), (2, 3), (3, 3)] == [(step.number, step.of) for step in steps]
    assert all(step.examples_per_s > 0 for step in steps)
    assert 0.0 == steps[-1].seconds_left


def test_the_scale_stays_within_clips_bound(tmp_path: Path, scenes: SceneArrays, tokenizer: Tokenizer) -> None:
    """However the gradient pushes, the factor on the cosine does not exceed 100 after a step."""
    trainer = _trainer(small_recipe(tmp_path, ("steps = 20", "steps = 1")), tokenizer, scenes)
    with torch.no_grad():
        trainer.model.logit_scale.fill_(9.0)

    list(trainer.run())

    assert trainer.model.logit_scale.item() <= MAX_LOG_SCALE + 1e-6


def test_embedding_keeps_the_order(tmp_path: Path, scenes: SceneArrays, tokenizer: Tokenizer) -> None:
    """Images, texts and owners come in the order of the scenes, in any batch size, and are measurable at once."""
    model = _trainer(small_recipe(tmp_path), tokenizer, scenes).model

    images, texts, owners = embed(model, scenes, tokenizer, batch=3)
    whole = embed(model, scenes, tokenizer, batch=64)

    assert ((8, 16), (40, 16)) == (images.shape, texts.shape)
    assert np.repeat(np.arange(8), 5).tolist() == owners.tolist()
    np.testing.assert_allclose(whole[0], images, atol=1e-5)
    np.testing.assert_allclose(whole[1], texts, atol=1e-5)
    assert 0 <= evaluate(images, texts, owners).text_to_image[1] <= 1
