"""The second stage of a run: the towers stay as they are, and the module learns on alone, deeper.

What a text says of which thing is told in two looks: a word must find its thing before it can be compared with it. A module with
one block makes one look, and is cheap enough to be trained beside the towers; here it gets more blocks, while the towers, and with
them every index and every figure of retrieval, stay to the bit. Steps are those of `models.training.loop`, with locked towers
(as in LiT, arXiv:2111.07991) and the losses of words alone.
"""

from collections.abc import Mapping

import torch

from models.training.checkpoint import checkpoint_path, resume
from models.training.language_model import Told
from models.training.loop import Trainer
from models.training.objective import Objective
from models.training.recipe import AlonePart, ContrastivePart, ProofreadingPart, Recipe, SchedulePart
from models.training.session import Session

_NOT_NOW = SchedulePart(first=0.0, last=0.0)


def second_stage(session: Session, recipe: Recipe, told: Told | None = None) -> Session | None:
    """The run that follows on a finished one, at the step of its own checkpoint when there is one.

    Args:
        session: of the first stage, which is done.
        recipe: the whole, from which `session` was opened.
        told: hears what is being made beforehand, see `models.training.materials.gather`.

    Returns:
        None where the recipe has one stage only.

    Raises:
        CheckpointUnreadable: the second stage's checkpoint is damaged.
    """
    part = recipe.proofreading
    towers = session.finished()
    if part is None or part.alone is None or towers.module is None:
        return None
    plan = stage_recipe(recipe, part, part.alone)
    # not what the first stage left: a run that is opened again begins this one with the same chance
    torch.manual_seed(plan.seed)
    objective = Objective(towers.towers, towers.module.deepened(part.alone.blocks), plan.proofreading, towers.levels)
    ranks = session.trainer.ranks
    with ranks.in_turn():
        materials = session.materials.for_stage(plan, told)
    trainer = Trainer(plan, objective, materials.batches, ranks)
    checkpoint = checkpoint_path(session.checkpoint.parent, recipe.name, session.whole, materials.digest)
    resume(trainer, checkpoint)
    return Session(plan, trainer, materials, checkpoint, session.whole, session.every)


def stage_recipe(recipe: Recipe, part: ProofreadingPart, alone: AlonePart) -> Recipe:
    """The second stage as a recipe of its own: locked towers, words' losses, nothing that only towers learn from."""
    changes: Mapping[str, object] = {
        # the first stage's pictures in another order, with other captions and edits
        "seed": recipe.seed + 1,
        "optim": recipe.optim.model_copy(
            update={
                "steps": alone.steps,
                "learning_rate": alone.learning_rate,
                "image_rate": 0.0,
                "text_rate": 0.0,
                "layer_decay": 1.0,
                "ema": 0.0,
            }
        ),
        "proofreading": part.model_copy(
            update={
                "blocks": alone.blocks,
                "alone": None,
                "negatives": False,
                "preference": 0.0,
                "rate": 1.0,
                "warmup": 0.0,
            }
        ),
        "edits": alone.edits or recipe.edits,
        "contrastive": ContrastivePart(loss=recipe.contrastive.loss),
        # its gradient would reach the scale, which belongs to the towers
        "schedules": {"contrastive": _NOT_NOW},
        "late": None,
        "tagging": None,
        "teacher": None,
        "lora": None,
    }
    return recipe.model_copy(update=changes)
