"""One run from a recipe to trained, measured towers; writing the bundle is the caller's, who knows the exporter."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from models.evaluation.report import Report, report
from models.evaluation.retrieval import evaluate
from models.manifest import Calibration, Preprocess, TextSpec
from models.negatives.lexicon import Lexicon
from models.negatives.rules import RuleEditor
from models.scenes.captions import KINDS
from models.scenes.grammar import Split
from models.training.batches import Batches
from models.training.calibration import calibrate
from models.training.calibration import calibrate
from models.training.checkpoint import checkpoint_path, resume, save_checkpoint
from models.training.data import SceneArrays, load_scenes
from models.training.editing import EditMaker, Vocabulary
from models.training.loop import Step, Trainer, embed
from models.training.objective import Objective, with_proofreading
from models.training.proofs import proofread
from models.training.recipe import Recipe, RecipeError
from models.training.tokenizer import END, train_tokenizer
from models.training.towers import build_towers, preprocess_of

# a stop costs at most this many steps, a minute or two of a small model
CHECKPOINT_STEPS = 100


@dataclass(frozen=True)
class Session:
    """A run that is ready to go: rendered scenes, tokenizer and trainer.

    Attributes:
        recipe: what decides the run.
        trainer: towers and optimiser, at the step of the checkpoint when there was one.
        tokenizer: learnt from the training captions.
        checkpoint: where the run keeps its state.
        cache: folder of rendered scenes.
    """

    recipe: Recipe
    trainer: Trainer
    tokenizer: Tokenizer
    checkpoint: Path
    cache: Path

    def run(self) -> Iterator[Step]:
        """Train to the recipe's last step, writing a checkpoint every `CHECKPOINT_STEPS` and at the end."""
        for step in self.trainer.run():
            if is_checkpoint(step):
                save_checkpoint(self.checkpoint, self.trainer)
            yield step

    def validate(self) -> float:
        """Text→image R@1 on the validation scenes: to watch a run by; figures to publish come from `measure`."""
        scenes = self.scenes("val", self.recipe.data.val)
        images, texts, owners = embed(self.trainer.model, scenes, self.tokenizer)
        return evaluate(images, texts, owners, ks=(1,)).text_to_image[1]

    def measure(self) -> Report:
        """Retrieval on the held-out test scenes, with the torch towers; with a module, how well it proofreads them."""
        scenes = self.scenes("test", self.recipe.data.test)
        images, texts, owners = embed(self.trainer.model, scenes, self.tokenizer)
        found = report(images, texts, owners, scene_labels(scenes))
        if self.trainer.edits is None:
            return found
        words = proofread(self.trainer.objective, scenes, self.trainer.edits).figures()
        return found.model_copy(update={"figures": {**found.figures, **words}})

    def calibrate(self) -> Calibration | None:
        """What the module needs to be kept as a proofreader, fitted on the validation scenes; None without a module."""
        if self.trainer.edits is None:
            return None
        return calibrate(self.trainer.objective, self.scenes("val", self.recipe.data.val), self.trainer.edits)

    def calibrate(self) -> Calibration | None:
        """What the module needs to be kept as a proofreader, fitted on the validation scenes; None without a module."""
        if self.trainer.edits is None:
            return None
        return calibrate(self.trainer.objective, self.scenes("val", self.recipe.data.val), self.trainer.edits)

    def scenes(self, split: Split, count: int) -> SceneArrays:
        """A split at the size of the model's input."""
        return _scenes(self.cache, self.recipe, split, count)

    @property
    def model(self) -> nn.Module:
        """The towers."""
        return self.trainer.model

    def preprocess(self) -> Preprocess:
        """How an image becomes the towers' input."""
        return preprocess_of(self.model, self.recipe.image.size)

    def text_spec(self) -> TextSpec:
        """How a string becomes token ids."""
        return TextSpec(
            context_length=self.recipe.text.context_length, causal=True, eot_id=self.tokenizer.token_to_id(END)
        )


def is_checkpoint(step: Step) -> bool:
    """Whether a run's state is written after this step."""
    return step.number % CHECKPOINT_STEPS == 0 or step.number == step.of


def open_session(recipe: Recipe, work: Path) -> Session:
    """Render what is missing, learn the tokenizer, build the towers, and go on from a checkpoint when there is one.

    Args:
        recipe: the run.
        work: folder for rendered scenes and checkpoints; made when missing, can be deleted afterwards.

    Raises:
        RecipeError: a training caption is longer than the context, so that its end would never be learnt.
        CheckpointUnreadable: the checkpoint in *work* is damaged.
    """
    work.mkdir(parents=True, exist_ok=True)
    cache = work / "scenes"
    scenes = _scenes(cache, recipe, "train", recipe.data.train)
    torch.manual_seed(recipe.seed)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    tokenizer = train_tokenizer((text for texts in scenes.captions for text in texts), recipe.text.vocabulary)
    _check_lengths(recipe, tokenizer, scenes)
    trainer = _trainer(recipe, tokenizer, scenes)
    checkpoint = checkpoint_path(work, recipe)
    resume(trainer, checkpoint)
    return Session(recipe, trainer, tokenizer, checkpoint, cache)


def scene_labels(scenes: SceneArrays) -> list[tuple[str, ...]]:
    """For each caption, in order, the groups it counts in: its kind, and whether its scene shows a new combination."""
    return [
        (kind, "held-back" if held_back else "seen")
        for held_back in scenes.held_back.tolist()
        for kind in KINDS
    ]  # fmt: skip


def _trainer(recipe: Recipe, tokenizer: Tokenizer, scenes: SceneArrays) -> Trainer:
    towers = build_towers(recipe, tokenizer.get_vocab_size())
    part = recipe.proofreading
    if part is None:
        return Trainer(recipe, Objective(towers), Batches(scenes, tokenizer, recipe.optim.batch, recipe.seed))
    texts = [text for captions in scenes.captions for text in captions]
    vocabulary = Vocabulary.of(texts, part.vocabulary)
    objective = with_proofreading(towers, part, recipe.image.size, len(vocabulary))
    edits = EditMaker(RuleEditor(Lexicon.learn(texts)), tokenizer, vocabulary, part.unedited)
    return Trainer(recipe, objective, Batches(scenes, tokenizer, recipe.optim.batch, recipe.seed, edits))


def _scenes(cache: Path, recipe: Recipe, split: Split, count: int) -> SceneArrays:
    return load_scenes(cache, split, count, recipe.data.seed, recipe.image.size)


def _check_lengths(recipe: Recipe, tokenizer: Tokenizer, scenes: SceneArrays) -> None:
    texts = [text for captions in scenes.captions for text in captions]
    longest = max(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts))
    if longest > recipe.text.context_length:
        raise RecipeError(
            f"text.context_length {recipe.text.context_length} is less than the longest caption's {longest} tokens: "
            "raise it, or raise text.vocabulary so that words have fewer tokens"
        )
