"""Going on from a checkpoint that `models.training.loop.save_checkpoint` wrote."""

import hashlib
import pickle
from pathlib import Path

import torch

from models.errors import ModelError
from models.training.loop import Trainer
from models.training.recipe import Recipe


class CheckpointUnreadable(ModelError):
    """A checkpoint is damaged or belongs to other towers."""


def recipe_digest(recipe: Recipe) -> str:
    """SHA-256 (hex) of a recipe's values; comments and the order of fields do not count."""
    return hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()


def checkpoint_path(work: Path, recipe: Recipe) -> Path:
    """Where a run of *recipe* keeps its state: a changed recipe has another name, and so begins anew."""
    return work / f"{recipe.name}-{recipe_digest(recipe)[:12]}.pt"


def resume(trainer: Trainer, path: Path) -> bool:
    """Go on from *path* when it is there.

    Args:
        trainer: fresh, of the recipe that the checkpoint was made with.
        path: see `checkpoint_path`.

    Returns:
        Whether there was a checkpoint.

    Raises:
        CheckpointUnreadable: the file is damaged, or its weights do not fit.
    """
    if not path.exists():
        return False
    try:
        # weights_only: a checkpoint is data and runs no code
        trainer.load_state(torch.load(path, weights_only=True))
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
        # torch's own sentence is left out: it advises to load the file with code execution allowed
        raise CheckpointUnreadable(
            f"checkpoint {path} is damaged or of other towers ({type(error).__name__}): remove it to begin anew"
        ) from error
    return True
