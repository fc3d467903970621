"""A run's state on disk: whole or absent, checked when it is read, enough to go on to the very same weights.

The file is a mark, the SHA-256 of what follows, and what follows: `torch.save`'s archive.
"""

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import BinaryIO

import torch

from models.errors import ModelError
from models.sealed import sync_folder
from models.training.contents import contents
from models.training.loop import Trainer
from models.training.parts import DataPart, RenderedPart
from models.training.recipe import Recipe

_MARK = b"vilem checkpoint 1\n"
_DIGEST = hashlib.sha256().digest_size


class CheckpointUnreadable(ModelError):
    """A checkpoint is damaged or belongs to other towers."""


def recipe_digest(recipe: Recipe) -> str:
    """SHA-256 (hex) of a recipe's values, and of the models that it names by their files (`training.contents`).

    Comments, the order of fields and the number of workers do not count, nor does what is only measured on; nor does a second
    stage that there is not, so that towers are the same run whatever follows them.
    """
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=_not_trained_on(recipe.data))})
    absent = recipe.proofreading is not None and recipe.proofreading.alone is None
    values = recipe.said({"data": {"workers"}} | ({"proofreading": {"alone"}} if absent else {}))
    return hashlib.sha256(json.dumps([values, contents(recipe)]).encode()).hexdigest()


def _not_trained_on(data: DataPart) -> dict[str, object]:
    """Values that stand for any `val` and `test`, since they change no weight: of most recipes, whose digests stay as they were."""
    if isinstance(data, RenderedPart):
        return {"val": 500, "test": 1000}
    fields = type(data).model_fields
    return {name: fields[name].default for name in ("val", "test")}


def checkpoint_path(work: Path, name: str, digest: str, data: str) -> Path:
    """Where the run *name* of a recipe keeps its state: a changed recipe begins anew, and so does one whose data changed.

    Weights of other captions would fit all the same, beside a tokenizer that they have never seen.

    Args:
        work: folder.
        name: of the recipe.
        digest: see `recipe_digest`.
        data: see `models.training.sources.data_digest`.
    """
    return work / f"{name}-{hashlib.sha256(f'{digest} {data}'.encode()).hexdigest()[:12]}.pt"


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Write the trainer's state so that a crash leaves the old file or the new one; every process must call it."""
    state = trainer.state()
    if trainer.ranks.first:
        write_state(path, state)


def write_state(path: Path, state: dict[str, object]) -> None:
    """Write a state of tensors, numbers and text so that a crash leaves the old file or the new one."""
    staging = path.with_name(f".{path.name}.new")
    with staging.open("wb") as file:
        file.write(_MARK + bytes(_DIGEST))
        hashing = _Hashing(file)
        torch.save(state, hashing)
        file.seek(len(_MARK))
        file.write(hashing.digest())
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)
    sync_folder(path.parent)


def resume(trainer: Trainer, path: Path) -> bool:
    """Go on from *path* when it is there.

    Args:
        trainer: fresh, of the recipe that the checkpoint was made with.
        path: see `checkpoint_path`.

    Returns:
        Whether there was a checkpoint.

    Raises:
        CheckpointUnreadable: the file cannot be read, is damaged, or is of other towers, or of another number of processes.
    """
    if not path.exists():
        return False
    state = _read(path)
    if (before := len(state["random"])) != (world := trainer.ranks.world):
        raise CheckpointUnreadable(
            f"checkpoint {path} is of {before} processes, and there are {world}: go on with {before}, or begin anew with another --work"
        )
    try:
        trainer.load_state(state)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise CheckpointUnreadable(
            f"checkpoint {path} is of other towers, or of another release ({type(error).__name__}): go on with the code that made it, "
            "or begin anew with another --work"
        ) from error
    return True


def _read(path: Path) -> dict:
    try:
        return read_state(path)
    except OSError as error:
        raise CheckpointUnreadable(
            f"checkpoint {path} cannot be read ({error.strerror}): see to that, and go on"
        ) from error
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        # torch's own sentence is left out: it advises to load the file with code execution allowed
        raise CheckpointUnreadable(
            f"checkpoint {path} is damaged ({type(error).__name__}): put it back from a copy, or remove it to begin anew"
        ) from error


def read_state(path: Path) -> dict:
    """What `write_state` wrote.

    Raises:
        ValueError, OSError, RuntimeError, EOFError, pickle.UnpicklingError: it is damaged, or none.
    """
    with path.open("rb") as file:
        mark, digest = file.read(len(_MARK)), file.read(_DIGEST)
        if mark != _MARK:
            raise ValueError("not a checkpoint of this program")
        if hashlib.file_digest(file, "sha256").digest() != digest:
            raise ValueError("altered")
        file.seek(len(_MARK) + _DIGEST)
        # weights_only: a checkpoint is data and runs no code
        return torch.load(file, weights_only=True, map_location="cpu")


class _Hashing:
    """A file to write to that knows the digest of what was written: a checkpoint is too large to be held twice."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def digest(self) -> bytes:
        return self._hash.digest()
