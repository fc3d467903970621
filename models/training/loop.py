"""The training loop: a recipe in, trained towers out, progress as values."""

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from models.training.alarms import Watch, check_numbers
from models.training.batch import Batch, Beside
from models.training.batches import Batches
from models.training.compute import apply, caveats, device_of, how_of, synchronise
from models.training.editing import EditMaker
from models.training.ema import Average
from models.training.features import normalised, text_features
from models.training.frames import in_parts, visual_features
from models.training.lessons import Lessons
from models.training.memory import Memory, prepare_sigmoid
from models.training.objective import Objective
from models.training.optimizer import Trainable
from models.training.pairs import Pairs
from models.training.randomness import random_state, restore
from models.training.ranks import ALONE, Ranks
from models.training.recipe import Recipe, RecipeError
from models.training.refuted import Judge
from models.training.schedules import factors, learning_rate
from models.training.step import Outcome, Vectors, accumulate, batch_norms
from models.training.tokenizer import token_ids

# CLIP's bound: beyond it the softmax is a maximum and gradients vanish (Radford et al. 2021, section 2.5)
MAX_LOG_SCALE = math.log(100)
# speed and time left are those of so many steps before
_RECENT = 50


@dataclass(frozen=True)
class Step:
    """Progress after one step.

    Attributes:
        number: steps done.
        of: steps of the run.
        loss: what was descended.
        scale: factor on the cosine.
        learning_rate: of the towers, where none has a factor.
        examples_per_s: pairs a second, lately.
        seconds_left: at this speed.
        parts: losses by name.
        grad_norm: before it was clipped.
        seconds: that the step took.
        waited: seconds of these until the batch was there.
        looks: figures by name, every so many steps; see `models.training.alarms`.
        alarms: what has begun to go wrong, in sentences.
    """

    number: int
    of: int
    loss: float
    scale: float
    learning_rate: float
    examples_per_s: float
    seconds_left: float
    parts: dict[str, float] = field(default_factory=dict[str, float])
    grad_norm: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0
    looks: dict[str, float] = field(default_factory=dict[str, float])
    alarms: tuple[str, ...] = ()


class Trainer:
    """Trains two towers.

    Args:
        recipe: the run.
        objective: towers, and the module beside them when the recipe has one.
        batches: what they are trained on; with edits when the objective has a module.
        ranks: the processes that train together.
        lessons: what a teacher says of the pairs, when the recipe has one.

    Attributes:
        objective: as given, on its device.
        batches: as given.
        ranks: as given.
        average: of the weights, when the recipe has one.
        caveats: sentences about what is not exact in this run.
        step: how many steps are done.

    Raises:
        RecipeError: the towers, the machine or the number of processes cannot do what the recipe asks.
    """

    def __init__(
        self,
        recipe: Recipe,
        objective: Objective,
        batches: Batches,
        ranks: Ranks = ALONE,
        lessons: Lessons | None = None,
    ) -> None:
        if recipe.optim.batch % ranks.world:
            raise RecipeError(
                f"optim.batch {recipe.optim.batch} cannot be divided among {ranks.world} processes: make it a multiple"
            )
        device = device_of(recipe.optim)
        self.step = 0
        self.batches = batches
        self.ranks = ranks
        self.objective = objective.to(device)
        self._recipe = recipe
        self._lessons = lessons
        self._how = how_of(recipe.optim, device)
        if recipe.contrastive.loss == "sigmoid":
            prepare_sigmoid(objective)
        synchronise(objective, ranks, device)
        self._trainable = Trainable(objective, recipe)
        ranks.share(objective)
        self.average = Average(objective, recipe.optim.ema) if recipe.optim.ema else None
        margin = None if recipe.edits is None else recipe.edits.refuted
        self._judge = None if margin is None else Judge(margin, self.trained, self._how)
        captions = [len(texts) for texts in batches.pairs.captions]
        self._memory = Memory(recipe.contrastive, captions, self.average, ranks=ranks, how=self._how)
        apply(objective, recipe.optim)
        self.caveats = caveats(objective, recipe.optim, ranks)
        self._scaler = torch.amp.GradScaler(device.type, enabled=recipe.optim.precision == "fp16")
        # the bound is of the softmax: pretrained weights of the sigmoid loss come with more (SigLIP's with 117)
        self._bound = math.inf if recipe.contrastive.loss == "sigmoid" else MAX_LOG_SCALE
        self._watch = Watch(recipe.optim.steps, self._bound)
        if ranks.rank:
            # weights are shared, chance is not: or all processes would drop the same units
            torch.manual_seed(recipe.seed + ranks.rank)

    @property
    def model(self) -> nn.Module:
        """The towers."""
        return self.objective.towers

    @property
    def trained(self) -> Objective:
        """What is to be measured and exported: the average where there is one."""
        return self.objective if self.average is None else self.average.objective

    @property
    def edits(self) -> EditMaker | None:
        """Draws edited captions."""
        return self.batches.edits

    def run(self, until: int | None = None) -> Iterator[Step]:
        """Train to step *until* (the recipe's last by default), yielding after each step.

        Raises:
            Diverged: a loss is no number any more.
        """
        last = self._recipe.optim.steps if until is None else min(until, self._recipe.optim.steps)
        recent = deque[float](maxlen=_RECENT)
        began = time.monotonic()
        for batch in self._loader(last):
            came = time.monotonic()
            rate = learning_rate(self.step, self._recipe.optim)
            outcome, norm = self._descend(batch.prepared(self.model, self._how.device), rate)
            self.step += 1
            # the one point where a GPU is waited for
            parts = dict(zip(outcome.parts, torch.stack(list(outcome.parts.values())).tolist(), strict=True))
            # half precision's gradients may overflow: its scaler then leaves the step out
            check_numbers(self.step, parts if self._scaler.is_enabled() else {**parts, "gradient norm": norm.item()})
            looks, alarms = self._look(outcome)
            recent.append(time.monotonic() - began)
            each = sum(recent) / len(recent)
            yield Step(
                number=self.step,
                of=last,
                loss=parts["total"],
                scale=self.model.logit_scale.exp().item(),
                learning_rate=rate,
                examples_per_s=self._recipe.optim.batch / each,
                seconds_left=each * (last - self.step),
                parts=parts,
                grad_norm=norm.item(),
                seconds=recent[-1],
                waited=came - began,
                looks=looks,
                alarms=alarms,
            )
            began = time.monotonic()

    def state(self) -> dict[str, object]:
        """Everything that a resumed run needs to go on as if it had not been stopped; every process must ask for it."""
        return {
            "step": self.step,
            "model": self.objective.state_dict(),
            "optimizer": self._trainable.optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "average": None if self.average is None else self.average.state(),
            "memory": self._memory.state(),
            "random": self.ranks.collect(random_state()),
        }

    def load_state(self, state: dict) -> None:
        """Go on from *state*, of as many processes.

        Raises:
            ValueError: it is of another number of processes.
        """
        if len(state["random"]) != self.ranks.world:
            raise ValueError(f"of {len(state['random'])} processes, and there are {self.ranks.world}")
        self.objective.load_state_dict(state["model"])
        self._trainable.optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state(state["average"])
        self._memory.load_state(state["memory"])
        restore(state["random"][self.ranks.rank])
        self.step = state["step"]

    def _loader(self, last: int) -> Iterator[Batch]:
        yield from self.batches.loader(
            self.step,
            last,
            rank=self.ranks.rank,
            world=self.ranks.world,
            workers=self._recipe.data.workers,
            pin=self._how.device.type == "cuda",
        )

    def _descend(self, batch: Batch, rate: float) -> tuple[Outcome, torch.Tensor]:
        """One step; returns what it computed and the norm of its gradient."""
        optimizer, parameters = self._trainable.optimizer, self._trainable.parameters()
        if self._judge is not None:
            batch = self._judge.sift(batch)
        self._trainable.train()
        self._trainable.set_rate(rate)
        optimizer.zero_grad(set_to_none=True)
        now = factors(self.step, self._recipe)
        self._memory.meet(batch)
        outcome = accumulate(
            self.objective,
            batch,
            now,
            ranks=self.ranks,
            how=self._how,
            scaler=self._scaler,
            beside=partial(self._beside, batch),
        )
        self.ranks.sum_gradients(parameters)
        if self.ranks.world > 1 and batch_norms(self.objective):
            self.ranks.average_buffers(self.objective)
        self._scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(parameters, self._recipe.optim.clip)
        self._scaler.step(optimizer)
        self._scaler.update()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, self._bound)
            if self.objective.late is not None:
                self.objective.late.log_scale.clamp_(0, MAX_LOG_SCALE)
        if self.average is not None:
            self.average.update(self.objective)
        self._memory.after(epoch_ends=(self.step + 1) % self.batches.per_epoch == 0)
        return outcome, norm

    def _beside(self, batch: Batch, vectors: Vectors) -> Beside:
        beside = self._memory.beside(vectors, self.model.logit_scale.detach().exp())
        if self._lessons is None or batch.rows is None or batch.choices is None:
            return beside
        return replace(beside, lesson=self._lessons.of(*map(self.ranks.gather, (batch.rows, batch.choices))))

    def _look(self, outcome: Outcome) -> tuple[dict[str, float], tuple[str, ...]]:
        steps = self._recipe.optim.steps
        # twenty looks at a short run, and a long one is looked at for next to nothing
        if self.step % max(1, min(100, steps // 20)) or not self.ranks.first:
            return {}, ()
        edited = outcome.chunk.edited
        with self._how.autocast():
            words = None if edited is None else self.objective.judge(outcome.encoded, edited)
        figures, alarms = self._watch.look(self.step, self.model.logit_scale.item(), outcome.vectors, words)
        unrefuted = {} if self._judge is None else {"unrefuted": self._judge.share}
        return figures | unrefuted | self._memory.figures(), alarms


def embed(model: nn.Module, pairs: Pairs, tokenizer: Tokenizer, batch: int = 128) -> tuple[np.ndarray, ...]:
    """Embed a split with the torch towers.

    Returns:
        images (N, d), texts (M, d), owners (M,): the row of each text's image.
    """
    model.eval()
    device = next(model.parameters()).device
    texts = [text for captions in pairs.captions for text in captions]
    owners = np.repeat(np.arange(len(pairs)), [len(captions) for captions in pairs.captions])
    with torch.no_grad():
        pictures = [
            visual_features(model, normalised(model, part.to(device)), ()).embedding
            for rows in (np.arange(start, min(start + batch, len(pairs))) for start in range(0, len(pairs), batch))
            for part in in_parts(torch.from_numpy(pairs.pixels(rows)), batch)
        ]
        sentences = [
            text_features(model, token_ids(tokenizer, texts[start : start + batch]).to(device)).embedding
            for start in range(0, len(texts), batch)
        ]
    return torch.cat(pictures).cpu().numpy(), torch.cat(sentences).cpu().numpy(), owners
