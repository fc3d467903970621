"""A slowly moving average of the weights: steadier than the weights themselves, so that it is what is measured.

Polyak averaging with an exponential window, as in "Mean teachers" (Tarvainen and Valpola 2017, section 2): after step n
average = d average + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)), so that the random start is soon forgotten.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.training.objective import Objective


class Average:
    """The average of an objective's weights, module included.

    Args:
        objective: whose weights are averaged.
        decay: 0.999 looks back about 1,000 steps.

    Attributes:
        decay: as given.
    """

    def __init__(self, objective: Objective, decay: float) -> None:
        self.decay = decay
        # what batch normalisation remembers belongs to the weights that it was measured with: averaged with them
        self._averaged = AveragedModel(objective, multi_avg_fn=self._move, use_buffers=True)
        self._averaged.module.requires_grad_(False).eval()

    @property
    def objective(self) -> Objective:
        """With the averaged weights; a momentum encoder, or the judge of edits, while training goes on."""
        return cast(Objective, self._averaged.module)

    def update(self, objective: Objective) -> None:
        """Follow the weights, after a step."""
        self._averaged.update_parameters(objective)

    def state(self) -> dict[str, torch.Tensor]:
        """For `load_state`."""
        return self._averaged.state_dict()

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from `state`."""
        self._averaged.load_state_dict(state)

    @torch.no_grad()
    def _move(
        self, average: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], count: torch.Tensor | int
    ) -> None:
        # the first update of an AveragedModel copies: *count* is 1 at the second
        decay = min(self.decay, (1 + int(count)) / (10 + int(count)))
        if average[0].is_floating_point():
            get_ema_multi_avg_fn(decay)(list(average), list(weights), count)
            return
        # a count of batches has no average
        for each, weight in zip(average, weights, strict=True):
            each.copy_(weight)
