"""The training loop: a recipe in, trained towers out, progress as values."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from models.training.data import SceneArrays, batches
from models.training.losses import contrastive
from models.training.recipe import OptimPart, Recipe
from models.training.towers import encode_images, encode_texts

# CLIP's bound: beyond it the softmax is a maximum and gradients vanish (Radford et al. 2021, section 2.5)
MAX_LOG_SCALE = math.log(100)
MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)


@dataclass(frozen=True)
class Step:
    """Progress after one step."""

    number: int
    of: int
    loss: float
    scale: float
    learning_rate: float
    examples_per_s: float
    seconds_left: float


class Trainer:
    """Plain contrastive training of two towers on rendered scenes.

    Attributes:
        model: the towers.
        step: how many steps are done.
    """

    def __init__(self, recipe: Recipe, model: nn.Module, tokenizer: Tokenizer, scenes: SceneArrays) -> None:
        self.model = model
        self.step = 0
        self._recipe = recipe
        self._scenes = scenes
        self._ids = [[tokenizer.encode(text).ids for text in texts] for texts in scenes.captions]
        self._batches = batches(len(scenes.images), recipe.optim.batch, recipe.seed)
        self._optimizer = _optimizer(model, recipe.optim)

    def run(self, until: int | None = None) -> Iterator[Step]:
        """Train to step *until* (the recipe's last by default), yielding after each step."""
        last = self._recipe.optim.steps if until is None else min(until, self._recipe.optim.steps)
        began, first = time.monotonic(), self.step
        while self.step < last:
            loss, scale, rate = self._one(*next(self._batches))
            self.step += 1
            each = (time.monotonic() - began) / (self.step - first)
            batch = self._recipe.optim.batch
            yield Step(self.step, last, loss, scale, rate, batch / each, each * (last - self.step))

    def state(self) -> dict[str, object]:
        """Everything that a resumed run needs to go on as if it had not been stopped."""
        return {"step": self.step, "model": self.model.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state(self, state: dict) -> None:
        """Go on from *state*; batches are drawn again up to its step, so that the same ones follow."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        for _ in range(state["step"] - self.step):
            next(self._batches)
        self.step = state["step"]

    def _one(self, rows: np.ndarray, choices: np.ndarray) -> tuple[float, float, float]:
        optim = self._recipe.optim
        rate = learning_rate(self.step, optim)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        pixels = to_tensor(self._scenes.images[rows])
        ids = pad([self._ids[row][choice] for row, choice in zip(rows, choices, strict=True)])
        with torch.autocast("cpu", torch.bfloat16, enabled=optim.precision == "bf16"):
            images, texts = encode_images(self.model, pixels), encode_texts(self.model, ids)
        scale = self.model.logit_scale.exp()
        loss = contrastive(images, texts, scale)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, MAX_LOG_SCALE)
        return loss.item(), scale.item(), rate


def learning_rate(step: int, optim: OptimPart) -> float:
    """Linear warm-up, then half a cosine to zero."""
    warmup = max(1, round(optim.warmup * optim.steps))
    if step < warmup:
        return optim.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, optim.steps - warmup)
    return optim.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """Normalise (N, S, S, 3) uint8 to [n, 3, s, s] float32, as the exported graph does."""
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255
    return (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def pad(rows: list[list[int]]) -> torch.Tensor:
    """Token ids as one [n, longest] tensor, 0 after the end; a causal tower does not see it."""
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def embed(model: nn.Module, scenes: SceneArrays, tokenizer: Tokenizer, batch: int = 128) -> tuple[np.ndarray, ...]:
    """Embed a split with the torch towers.

    Returns:
        images (N, d), texts (M, d), owners (M,): the row of each text's image.
    """
    model.eval()
    texts = [text for captions in scenes.captions for text in captions]
    owners = np.repeat(np.arange(len(scenes.captions)), [len(captions) for captions in scenes.captions])
    with torch.no_grad():
        pictures = [
            encode_images(model, to_tensor(scenes.images[start : start + batch]))
            for start in range(0, len(scenes.images), batch)
        ]
        sentences = [
            encode_texts(model, pad([tokenizer.encode(text).ids for text in texts[start : start + batch]]))
            for start in range(0, len(texts), batch)
        ]
    return torch.cat(pictures).numpy(), torch.cat(sentences).numpy(), owners


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Write the trainer's state so that a crash leaves the old file or the new one."""
    staging = path.with_name(f".{path.name}.new")
    torch.save(trainer.state(), staging)
    staging.replace(path)


def _optimizer(model: nn.Module, optim: OptimPart) -> torch.optim.Optimizer:
    # gains, biases and the scale are not decayed: shrinking them only fights the normalisation
    decayed = [each for each in model.parameters() if each.ndim >= 2]
    free = [each for each in model.parameters() if each.ndim < 2]
    groups = [{"params": decayed, "weight_decay": optim.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=optim.learning_rate, betas=(0.9, 0.98), eps=1e-6)
