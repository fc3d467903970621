"""What a run remembers beside its weights: pairs of earlier steps, and how well each pair of the corpus fitted.

A queue and soft targets need embeddings that move slowly: those of the averaged towers (`training.ema`), which encode each batch once
more, without gradients. All processes keep the same memory, of the joint batch.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from models.training.batch import Batch, Beside
from models.training.chunks import split
from models.training.ema import Average
from models.training.losses import momentum_targets, pair_losses
from models.training.objective import Objective
from models.training.queue import Queue
from models.training.ranks import Ranks
from models.training.recipe import ContrastivePart, RecipeError
from models.training.step import How, Vectors

if TYPE_CHECKING:
    from models.training.noise import Ledger


class Memory:
    """Queue, soft targets and weights of pairs, as a recipe asks for them.

    Args:
        part: what is asked for.
        captions: how many captions each picture of the corpus has.
        average: of the weights; needed for queue and soft targets.
        ranks: the processes.
        how: device, precision and chunk.

    Raises:
        RecipeError: what is asked for needs an average of the weights, and there is none.
    """

    def __init__(
        self, part: ContrastivePart, captions: Sequence[int], average: Average | None, *, ranks: Ranks, how: How
    ) -> None:
        self._slow = bool(part.queue or part.soft)
        if self._slow and average is None:
            raise RecipeError("contrastive.queue and contrastive.soft need the average of the weights: set optim.ema")
        self._part, self._average, self._ranks, self._how = part, average, ranks, how
        self._queue: Queue | None = None
        self._ledger = None if part.noise is None else _ledger(captions, part.noise)
        self._now: tuple[torch.Tensor, torch.Tensor] | None = None
        self._vectors: Vectors = {}

    def meet(self, batch: Batch) -> None:
        """Look at a batch before its step: which pairs it has, and how the averaged towers see them."""
        if not (self._slow or self._ledger):
            return
        if batch.rows is None or batch.choices is None:
            raise ValueError("a batch does not say which pairs it has: batches of `training.batches` do")
        self._now = self._ranks.gather(batch.rows), self._ranks.gather(batch.choices)
        if self._slow and self._average is not None:
            self._vectors = self._encode(self._average.objective, batch)
            if self._part.queue and self._queue is None:
                self._queue = self._empty(self._vectors["images"].shape[1])

    def beside(self, vectors: Vectors, scale: torch.Tensor) -> Beside:
        """What stands beside the joint batch's pairs in this step.

        Args:
            vectors: of the joint batch.
            scale: factor on the cosine.
        """
        if self._now is None:
            return Beside()
        rows, choices = self._now
        keys = self._queue.keys(rows) if self._queue is not None and len(self._queue) else None
        targets = None
        if self._part.soft:
            targets = momentum_targets(self._vectors["images"], self._vectors["texts"], scale, self._part.soft, keys)
        weights = None
        if self._ledger is not None:
            weights = self._ledger.weights(rows, choices)
            self._ledger.record(rows, choices, pair_losses(vectors["images"], vectors["texts"], scale))
        return Beside(keys, targets, weights)

    def after(self, *, epoch_ends: bool) -> None:
        """Keep the batch, after its step."""
        if self._now is None:
            return
        if self._queue is not None:
            self._queue.push(self._vectors["images"], self._vectors["texts"], self._now[0])
        if self._ledger is not None and epoch_ends:
            self._ledger.close()

    def figures(self) -> dict[str, float]:
        """What is worth telling of it."""
        return {} if self._ledger is None else {"doubt": self._ledger.doubt}

    def state(self) -> dict[str, object]:
        """For `load_state`."""
        parts = {"queue": self._queue, "ledger": self._ledger}
        return {name: each.state() for name, each in parts.items() if each is not None}

    def load_state(self, state: dict) -> None:
        """Go on from `state`."""
        if "queue" in state:
            queue = self._empty(state["queue"]["images"].shape[1])
            queue.load_state(state["queue"])
            self._queue = queue
        if self._ledger is not None:
            self._ledger.load_state(state["ledger"])

    def _empty(self, dim: int) -> Queue:
        return Queue(self._part.queue, dim, self._how.device)

    @torch.no_grad()
    def _encode(self, objective: Objective, batch: Batch) -> Vectors:
        # captions and pictures alone: edited texts are negatives of this step's pairs only
        chunks = split(Batch(batch.pixels, batch.ids), self._how.chunk)
        with self._how.autocast():
            found = [objective.encode(chunk).vectors for chunk in chunks]
        return {name: self._ranks.gather(torch.cat([each[name] for each in found])) for name in ("images", "texts")}


def _ledger(captions: Sequence[int], warmup: int) -> "Ledger":
    # scikit-learn takes a second to import, and few runs ask for it
    from models.training.noise import Ledger

    return Ledger(captions, warmup)


def prepare_sigmoid(objective: Objective) -> None:
    """Let an objective descend the sigmoid loss: its towers get a bias, and the scale that it begins with (SigLIP, section 3.2)."""
    towers = objective.towers
    objective.sigmoid = True
    if getattr(towers, "logit_bias", None) is None:
        towers.logit_bias = nn.Parameter(torch.full_like(towers.logit_scale.detach(), -10.0))
        with torch.no_grad():
            towers.logit_scale.fill_(math.log(10))
