"""The training loop: a recipe in, trained towers out, progress as values."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from models.training.batches import Batches
from models.training.editing import EditMaker
from models.training.features import image_features, normalised, text_features
from models.training.objective import Batch, Objective
from models.training.pairs import Pairs
from models.training.recipe import OptimPart, Recipe
from models.training.tokenizer import token_ids

# CLIP's bound: beyond it the softmax is a maximum and gradients vanish (Radford et al. 2021, section 2.5)
MAX_LOG_SCALE = math.log(100)


@dataclass(frozen=True)
class Step:
    """Progress after one step; `parts` are the losses by name."""

    number: int
    of: int
    loss: float
    scale: float
    learning_rate: float
    examples_per_s: float
    seconds_left: float
    parts: dict[str, float] = field(default_factory=dict[str, float])


class Trainer:
    """Trains two towers.

    Args:
        recipe: the run.
        objective: towers, and the module beside them when the recipe has one.
        batches: what they are trained on; with edits when the objective has a module.

    Attributes:
        objective: as given.
        batches: as given.
        step: how many steps are done.
    """

    def __init__(self, recipe: Recipe, objective: Objective, batches: Batches) -> None:
        self.step = 0
        self.objective = objective
        self.batches = batches
        self._recipe = recipe
        self._optimizer = _optimizer(objective, recipe)

    @property
    def model(self) -> nn.Module:
        """The towers."""
        return self.objective.towers

    @property
    def edits(self) -> EditMaker | None:
        """Draws edited captions."""
        return self.batches.edits

    def run(self, until: int | None = None) -> Iterator[Step]:
        """Train to step *until* (the recipe's last by default), yielding after each step."""
        last = self._recipe.optim.steps if until is None else min(until, self._recipe.optim.steps)
        began, first = time.monotonic(), self.step
        for batch in self.batches.loader(self.step, last, workers=self._recipe.data.workers):
            rate = self._set_rate()
            parts = self._descend(batch.prepared(self.model))
            self.step += 1
            each = (time.monotonic() - began) / (self.step - first)
            scale = self.model.logit_scale.exp().item()
            speed = self._recipe.optim.batch / each
            yield Step(self.step, last, parts["total"], scale, rate, speed, each * (last - self.step), parts)

    def state(self) -> dict[str, object]:
        """Everything that a resumed run needs to go on as if it had not been stopped."""
        return {"step": self.step, "model": self.objective.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state(self, state: dict) -> None:
        """Go on from *state*."""
        self.objective.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def _set_rate(self) -> float:
        rate = learning_rate(self.step, self._recipe.optim)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        return rate

    def _descend(self, batch: Batch) -> dict[str, float]:
        self.objective.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._recipe.optim.precision == "bf16"):
            parts = self.objective(batch, strength(self.step, self._recipe))
        self._optimizer.zero_grad(set_to_none=True)
        parts["total"].backward()
        nn.utils.clip_grad_norm_(self.objective.parameters(), 1.0)
        self._optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, MAX_LOG_SCALE)
        return {name: part.item() for name, part in parts.items()}


def learning_rate(step: int, optim: OptimPart) -> float:
    """Linear warm-up, then half a cosine to zero."""
    warmup = max(1, round(optim.warmup * optim.steps))
    if step < warmup:
        return optim.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, optim.steps - warmup)
    return optim.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def strength(step: int, recipe: Recipe) -> float:
    """Factor on the proofreading losses: 0 to 1 over their warm-up, so that towers that know nothing come first."""
    if recipe.proofreading is None:
        return 0.0
    return min(1.0, step / max(1, round(recipe.proofreading.warmup * recipe.optim.steps)))


def embed(model: nn.Module, pairs: Pairs, tokenizer: Tokenizer, batch: int = 128) -> tuple[np.ndarray, ...]:
    """Embed a split with the torch towers.

    Returns:
        images (N, d), texts (M, d), owners (M,): the row of each text's image.
    """
    model.eval()
    texts = [text for captions in pairs.captions for text in captions]
    owners = np.repeat(np.arange(len(pairs)), [len(captions) for captions in pairs.captions])
    with torch.no_grad():
        pictures = [
            image_features(model, normalised(model, torch.from_numpy(pairs.pixels(rows))), ()).embedding
            for rows in (np.arange(start, min(start + batch, len(pairs))) for start in range(0, len(pairs), batch))
        ]
        sentences = [
            text_features(model, token_ids(tokenizer, texts[start : start + batch])).embedding
            for start in range(0, len(texts), batch)
        ]
    return torch.cat(pictures).numpy(), torch.cat(sentences).numpy(), owners


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Write the trainer's state so that a crash leaves the old file or the new one."""
    staging = path.with_name(f".{path.name}.new")
    torch.save(trainer.state(), staging)
    staging.replace(path)


def _optimizer(objective: Objective, recipe: Recipe) -> torch.optim.Optimizer:
    optim, part = recipe.optim, recipe.proofreading
    factors = {"towers": 1.0, "module": part.rate if part else 1.0}
    groups = [
        {"params": parameters, "weight_decay": decay, "factor": factor}
        for name, factor in factors.items()
        for decay, parameters in _by_decay(getattr(objective, name), optim.weight_decay).items()
        if parameters
    ]
    return torch.optim.AdamW(groups, lr=optim.learning_rate, betas=(0.9, 0.98), eps=1e-6)


def _by_decay(part: nn.Module | None, decay: float) -> dict[float, list[nn.Parameter]]:
    # gains, biases and the scale are not decayed: shrinking them only fights the normalisation
    parameters = list(part.parameters()) if part is not None else []
    found: dict[float, list[nn.Parameter]] = {}
    for each in parameters:
        found.setdefault(decay if each.ndim >= 2 else 0.0, []).append(each)
    return found
