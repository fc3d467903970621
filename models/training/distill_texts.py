"""A new text tower for an index that stays: it learns, from captions alone, to say what the teacher's text tower says.

The pictures' vectors in an index are the teacher's, and nothing touches them; a student whose text vectors are the
teacher's finds what the teacher finds. So a smaller text tower, or one for other languages (Reimers and Gurevych 2020, section 2; for
CLIP Carlsson et al. 2022), can stand before an index of any size without one picture being embedded again.
"""

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.errors import ModelError
from models.training.checkpoint import read_state, write_state
from models.training.distill import away
from models.training.features import text_features
from models.training.randomness import random_state, restore
from models.training.recipe import OptimPart
from models.training.schedules import learning_rate
from models.training.teachers import Memory, Teacher

# a stop costs at most this many steps of a text tower, seconds to a minute
CHECKPOINT_STEPS = 200
# what of a recipe's [optim] such a run goes by
_USED = frozenset(("steps", "batch", "learning_rate", "weight_decay", "warmup", "precision", "device", "clip"))


class DistillationError(ModelError):
    """A text tower that cannot be taught so."""


@dataclass(frozen=True)
class TextStep:
    """Progress after one step; `loss` is the mean of 1 - cosine to the teacher's vectors."""

    number: int
    of: int
    loss: float
    seconds_left: float


class TextTower(nn.Module):
    """The text side of an open_clip model: token ids [b, t] to unit vectors [b, d].

    Args:
        model: whose text tower is trained; its image tower is not looked at.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed texts."""
        return text_features(self.model, ids).embedding


class TextDistiller:
    """Trains a text tower to answer with a teacher's vectors.

    Args:
        teacher: its text tower is imitated; it is asked once for each caption.
        tower: token ids [b, t] to vectors [b, d] of any length, d the teacher's.
        tokenize: texts to the tower's ids.
        captions: what the teacher reads.
        optim: steps, batch, rates and clipping, as in a recipe; `precision` is of autocast, fp32 or bf16.
        seed: of the order of captions.
        translations: what the student reads in place of each caption; the captions by default.

    Attributes:
        step: how many steps are done.

    Raises:
        DistillationError: fewer captions than a batch has, as many translations as captions there are not, or settings
            that would do nothing.
    """

    def __init__(
        self,
        teacher: Teacher,
        tower: nn.Module,
        tokenize: Callable[[Sequence[str]], torch.Tensor],
        captions: Sequence[str],
        optim: OptimPart,
        *,
        seed: int = 0,
        translations: Sequence[str] | None = None,
    ) -> None:
        _refuse_unused(optim)
        self._read = captions if translations is None else translations
        if len(self._read) != len(captions):
            raise DistillationError(
                f"{len(self._read)} translations of {len(captions)} captions: give one for each, in the same order"
            )
        if len(captions) < optim.batch:
            raise DistillationError(f"a batch of {optim.batch} needs as many captions, and there are {len(captions)}")
        self.step = 0
        self._teacher, self._tower, self._tokenize = teacher, tower, tokenize
        self._captions, self._optim, self._seed = captions, optim, seed
        self._memory = Memory(len(captions))
        # a vector may differ in its last bit with those that it is computed beside. So the teacher is asked for the batches of
        # the first epoch, whenever it is asked: also by a run that goes on later, and has none of its answers.
        self._lessons = np.array_split(self._order(0), np.arange(optim.batch, len(captions), optim.batch))
        self._lesson_of = np.empty(len(captions), np.int64)
        for number, rows in enumerate(self._lessons):
            self._lesson_of[rows] = number
        self._taught: set[int] = set()
        self._parameters = [each for each in tower.parameters() if each.requires_grad]
        # gains, biases and single numbers are not decayed
        kinds = {decay: [each for each in self._parameters if (each.ndim >= 2) == bool(decay)] for decay in (0, 1)}
        self._optimizer = torch.optim.AdamW(
            [{"params": some, "weight_decay": decay * optim.weight_decay} for decay, some in kinds.items() if some],
            betas=(0.9, 0.98),
            eps=1e-6,
        )

    def run(self, until: int | None = None) -> Iterator[TextStep]:
        """Train to step *until* (the last by default), yielding after each step.

        Raises:
            DistillationError: the tower's vectors have another dimension than the teacher's.
        """
        last = self._optim.steps if until is None else min(until, self._optim.steps)
        began, first = time.monotonic(), self.step
        while self.step < last:
            loss = self._descend(self._rows(self.step))
            self.step += 1
            each = (time.monotonic() - began) / (self.step - first)
            yield TextStep(self.step, last, loss, each * (last - self.step))

    def state(self) -> dict[str, object]:
        """Everything that a resumed run needs to go on as if it had not been stopped."""
        return {
            "step": self.step,
            "tower": self._tower.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": random_state(),
        }

    def load_state(self, state: dict) -> None:
        """Go on from `state`."""
        self._tower.load_state_dict(state["tower"])
        self._optimizer.load_state_dict(state["optimizer"])
        restore(state["random"])
        self.step = state["step"]

    def _rows(self, step: int) -> np.ndarray:
        """Captions of a step: every one comes once in an epoch, but for the last incomplete batch."""
        batch = self._optim.batch
        epoch, place = divmod(step, len(self._captions) // batch)
        return self._order(epoch)[place * batch : (place + 1) * batch]

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, epoch]).permutation(len(self._captions))

    def _said_by_teacher(self, rows: np.ndarray) -> torch.Tensor:
        """The teacher's vectors (n, d) of captions *rows*."""
        for number in sorted({*self._lesson_of[rows].tolist()} - self._taught):
            self._memory.get(self._lessons[number], self._ask)
            self._taught.add(number)
        return self._memory.get(rows, self._ask)

    def _ask(self, rows: np.ndarray) -> torch.Tensor:
        return self._teacher.texts([self._captions[row] for row in rows])

    def _descend(self, rows: np.ndarray) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self._optim)
        device = self._parameters[0].device
        ids = self._tokenize([self._read[row] for row in rows]).to(device)
        taught = self._said_by_teacher(rows)
        self._tower.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=self._optim.precision == "bf16"):
            said = self._tower(ids)
        if said.shape[1] != taught.shape[1]:
            raise DistillationError(
                f"the text tower has {said.shape[1]} dimensions and the index's model {taught.shape[1]}: "
                "the index's vectors stay, so give the tower theirs"
            )
        loss = away(said, taught.to(device))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, self._optim.clip)
        self._optimizer.step()
        return loss.item()


def distill_texts(distiller: TextDistiller, checkpoint: Path) -> Iterator[TextStep]:
    """Run to the end, or on from *checkpoint* when it is there, keeping it on the way.

    Args:
        distiller: fresh.
        checkpoint: file of the run's state; written whole or not at all.

    Raises:
        DistillationError: the file is damaged, or of another tower.
    """
    if checkpoint.exists():
        _resume(distiller, checkpoint)
    for step in distiller.run():
        if step.number % CHECKPOINT_STEPS == 0 or step.number == step.of:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            write_state(checkpoint, distiller.state())
        yield step


def _refuse_unused(optim: OptimPart) -> None:
    idle = [
        name
        for name, field in OptimPart.model_fields.items()
        if name not in _USED and getattr(optim, name) != field.default
    ]
    if idle:
        raise DistillationError(
            f"{', '.join(f'optim.{name}' for name in idle)} would do nothing where a text tower alone is taught: leave them out"
        )
    if optim.precision == "fp16":
        raise DistillationError(
            "optim.precision: fp16 needs losses that are scaled, which are not here: take bf16 or fp32"
        )


def _resume(distiller: TextDistiller, checkpoint: Path) -> None:
    try:
        distiller.load_state(read_state(checkpoint))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise DistillationError(
            f"checkpoint {checkpoint} is damaged or of another tower ({type(error).__name__}): remove it to begin anew"
        ) from error
