"""A slowly moving average of the weights: steadier than the weights themselves, so that it is what is measured.

Polyak averaging with an exponential window, as in "Mean teachers" (Tarvainen and Valpola 2017, section 2): after step n
average = d average + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)), so that the random start is soon forgotten.
"""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from models.training.objective import Objective
from models.training.step import batch_norms


class Average:
    """The average of an objective's weights, module included.

    Args:
        objective: whose weights are averaged.
        decay: 0.999 looks back about 1,000 steps.

    Attributes:
        objective: with the averaged weights; a momentum encoder, or the judge of edits, while training goes on.
    """

    def __init__(self, objective: Objective, decay: float) -> None:
        self.objective = copy.deepcopy(objective).requires_grad_(False).eval()
        self._decay = decay
        self._updates = 0

    @torch.no_grad()
    def update(self, objective: Objective) -> None:
        """Follow the weights, after a step; the first time it takes them as they are."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates)) if self._updates else 0.0
        slow, fast = _averaged(self.objective), _averaged(objective)
        get_ema_multi_avg_fn(decay)(slow, fast, self._updates)
        # the rest has no average: counts, and the text tower's mask, whose minus infinity would become no number
        known = {id(each) for each in slow}
        for mine, theirs in zip(self.objective.buffers(), objective.buffers(), strict=True):
            if id(mine) not in known:
                mine.copy_(theirs)
        self._updates += 1

    def state(self) -> dict[str, object]:
        """For `load_state`."""
        return {"updates": self._updates, "weights": self.objective.state_dict()}

    def load_state(self, state: dict) -> None:
        """Go on from `state`."""
        self.objective.load_state_dict(state["weights"])
        self._updates = state["updates"]


def _averaged(module: nn.Module) -> list[torch.Tensor]:
    """Weights, and what batch normalisation remembers, which belongs to the weights that it was measured with."""
    memories = [each for norm in batch_norms(module) for each in norm.buffers() if each.is_floating_point()]
    return [*module.parameters(), *memories]
