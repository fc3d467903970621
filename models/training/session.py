"""One run from a recipe to trained, measured towers; writing the bundle is the caller's, who knows the exporter."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from models.evaluation.report import Report, report
from models.evaluation.retrieval import evaluate
from models.manifest import Calibration, Preprocess, TextSpec
from models.scenes.captions import KINDS
from models.scenes.clips import STYLES
from models.training.calibration import calibrate
from models.training.checkpoint import checkpoint_path, recipe_digest, resume, save_checkpoint
from models.training.clips import ClipArrays
from models.training.compute import plain
from models.training.data import SceneArrays
from models.training.language_model import Told, check_language_model
from models.training.logs import StepLog
from models.training.loop import Step, Trainer, embed
from models.training.materials import Materials, gather
from models.training.objective import Objective, with_late, with_proofreading, with_tagging
from models.training.pairs import Pairs
from models.training.proofs import proofread
from models.training.ranks import ALONE, Ranks
from models.training.recipe import Recipe

# a stop costs at most this many steps, a minute or two of a small model
CHECKPOINT_STEPS = 100


@dataclass(frozen=True)
class Session:
    """A run that is ready to go: rendered scenes, tokenizer and trainer.

    Attributes:
        recipe: what decides the run.
        trainer: towers and optimiser, at the step of the checkpoint when there was one.
        materials: data, towers as they came, tokenizer and edits.
        checkpoint: where the run keeps its state.
        digest: of the recipe, and of the models that it named by their files when the run was opened.
        every: steps between two checkpoints: what a stop costs at most.
        whole: digest of the recipe with the stage that follows, taken at the same time.
    """

    recipe: Recipe
    trainer: Trainer
    materials: Materials
    checkpoint: Path
    digest: str
    every: int = CHECKPOINT_STEPS
    whole: str = ""

    def run(self) -> Iterator[Step]:
        """Train to the recipe's last step, writing the log, and a checkpoint now and then and at the end.

        Raises:
            Diverged: a loss is no number any more; the checkpoint is of before.
        """
        with self._log() as log:
            for step in self.trainer.run():
                log.write(step)
                if self.is_checkpoint(step):
                    save_checkpoint(self.checkpoint, self.trainer)
                yield step

    def is_checkpoint(self, step: Step) -> bool:
        """Whether the run's state is written after this step."""
        return step.number % self.every == 0 or step.number == self.recipe.optim.steps

    def validate(self) -> float:
        """Text→image R@1 on the validation split: to watch a run by; figures to publish come from `measure`."""
        pairs = self.materials.pairs("val")
        images, texts, owners = embed(self.trainer.trained.towers, pairs, self.tokenizer)
        return evaluate(images, texts, owners, ks=(1,)).text_to_image[1]

    def measure(self) -> Report:
        """Retrieval on the held-out test split, with the torch towers; with a module, how well it proofreads them."""
        pairs = self.materials.pairs("test")
        images, texts, owners = embed(self.trainer.trained.towers, pairs, self.tokenizer)
        found = report(images, texts, owners, labels_of(pairs))
        edits = self.materials.judging
        if edits is None:
            return found
        proofs = proofread(self.finished(), pairs, edits)
        # of a few captions there may be nothing to say, and a run that is done is still to be kept
        words = {} if proofs is None else proofs.figures()
        return found.model_copy(update={"figures": {**found.figures, **words}})

    def calibrate(self) -> Calibration | None:
        """What the module needs to be kept as a proofreader, fitted on the validation split; None without a module."""
        edits = self.materials.judging
        return None if edits is None else calibrate(self.finished(), self.materials.pairs("val"), edits)

    @property
    def tokenizer(self) -> Tokenizer:
        """Of the text tower; it cuts and pads."""
        return self.materials.backbone.tokenizer

    def finished(self) -> Objective:
        """What the run made, on the CPU and as plain modules: averaged and merged, neither compiled nor checkpointed."""
        return plain(self.trainer.trained)

    @property
    def model(self) -> nn.Module:
        """The towers as they are trained."""
        return self.trainer.model

    def _log(self) -> AbstractContextManager[StepLog]:
        log = StepLog(self.checkpoint.with_suffix(".jsonl"), self.trainer.step, on=self.trainer.ranks.first)
        for caveat in self.trainer.caveats:
            log.note(caveat)
        return log

    def preprocess(self) -> Preprocess:
        """How an image becomes the towers' input."""
        return self.materials.backbone.preprocess

    def text_spec(self) -> TextSpec:
        """How a string becomes token ids."""
        return self.materials.backbone.text

    def tokenizer_json(self) -> bytes:
        """The tokenizer for a bundle, which cuts and pads by itself."""
        return self.materials.backbone.tokenizer_json


def open_session(
    recipe: Recipe, work: Path, *, ranks: Ranks = ALONE, every: int = CHECKPOINT_STEPS, told: Told | None = None
) -> Session:
    """Open the data, learn or load tokenizer and towers, and go on from a checkpoint when there is one.

    Args:
        recipe: the run, or its first stage: what follows is `models.training.second_stage`'s.
        work: folder for rendered scenes or decoded pictures, a language model of the captions, checkpoints and logs; made when
            missing, can be deleted afterwards.
        ranks: the processes that train together, which see the same folder.
        every: steps between two checkpoints.
        told: hears what is being made beforehand, see `models.training.materials.gather`.

    Raises:
        RecipeError: data, in any of the three splits, or a model are missing, or a scene's caption is longer than the context.
        MaskedLmInvalid: a language model that edits captions, in this stage or the next, cannot be loaded.
        CheckpointUnreadable: the checkpoint in *work* is damaged.
    """
    work.mkdir(parents=True, exist_ok=True)
    if recipe.proofreading is not None and recipe.proofreading.alone is not None:
        check_language_model(recipe.proofreading.alone.edits)
    # before they are read: a file that changes meanwhile makes a run that is begun anew, and never one that is gone on with
    whole, recipe = recipe_digest(recipe), recipe.first_stage()
    digest = recipe_digest(recipe)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    with ranks.in_turn():
        # val and test too: a split that is missing is not to be found out when the run is done
        materials = gather(recipe, work / "scenes", told, ahead=("val", "test"))
    trainer = Trainer(recipe, _objective(recipe, materials), materials.batches, ranks, materials.lessons)
    checkpoint = checkpoint_path(work, recipe.name, digest, materials.digest)
    resume(trainer, checkpoint)
    return Session(recipe, trainer, materials, checkpoint, digest, every, whole)


def labels_of(pairs: Pairs) -> list[tuple[str, ...]] | None:
    """For each caption, in order, the groups it counts in: of scenes its kind, and whether what it tells is a new combination.

    None of files: nobody knows.
    """
    if not isinstance(pairs, SceneArrays | ClipArrays):
        return None
    kinds = [(kind,) for kind in KINDS] if isinstance(pairs, SceneArrays) else [()] * STYLES
    return [
        (*kind, "held-back" if held_back else "seen")
        for held_back in pairs.held_back.tolist()
        for kind in kinds
    ]  # fmt: skip


def _objective(recipe: Recipe, materials: Materials) -> Objective:
    backbone, part = materials.backbone, recipe.proofreading
    if part is None or materials.vocabulary is None:
        made = Objective(backbone.towers)
    else:
        made = with_proofreading(backbone.towers, part, backbone.preprocess.size, len(materials.vocabulary))
    if recipe.late is not None:
        made = with_late(made, recipe.late, backbone.preprocess.size, backbone.text)
    tags = materials.batches.tags
    if recipe.tagging is None or tags is None:
        return made
    return with_tagging(made, recipe.tagging, backbone.preprocess.size, len(tags))
