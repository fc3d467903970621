"""Pairs that do not belong together, found by their losses: the ledger that weighs them; `models.mixture` tells them apart."""

from collections.abc import Sequence

import numpy as np
import torch

from models.mixture import clean_probability


class Ledger:
    """Keeps the loss of each pair over an epoch, and what it says of the pair in the next.

    Args:
        captions: how many captions each of N pictures has; a pair is a picture with one of them.
        warmup: epochs in which every pair has weight 1; the first always is one.

    Attributes:
        epochs: how many are closed.
    """

    def __init__(self, captions: Sequence[int], warmup: int) -> None:
        counts = np.asarray(captions, np.int64)
        self.epochs = 0
        self._warmup = warmup
        self._first = np.cumsum(counts) - counts
        self._losses = np.full(int(counts.sum()), np.nan)
        self._weights = np.ones(int(counts.sum()))

    @property
    def doubt(self) -> float:
        """The share of all pairs that is thought wrong, by the weights."""
        return float(1 - self._weights.mean())

    def weights(self, rows: torch.Tensor, choices: torch.Tensor) -> torch.Tensor:
        """How likely each pair is right: [b] float32; 1 for one whose loss no mixture has seen yet.

        Args:
            rows: [b] pictures.
            choices: [b] which caption of each.
        """
        return torch.from_numpy(self._weights[self._places(rows, choices)]).to(rows.device, torch.float32)

    def record(self, rows: torch.Tensor, choices: torch.Tensor, losses: torch.Tensor) -> None:
        """Write down the losses [b] of pairs, as `losses.pair_losses` says them; a pair's last one counts.

        One that is not finite, as a step in half precision may leave, counts as not seen.
        """
        self._losses[self._places(rows, choices)] = losses.detach().double().cpu().numpy()

    def close(self) -> None:
        """End an epoch: weigh the pairs that it saw. Those that it did not see keep their weight."""
        seen = np.isfinite(self._losses)
        if self.epochs + 1 >= self._warmup:
            self._weights[seen] = clean_probability(self._losses[seen])
        self._losses[:] = np.nan
        self.epochs += 1

    def state(self) -> dict[str, torch.Tensor | int]:
        """For `load_state`; copies, which stay as they are."""
        kept = {"losses": self._losses, "weights": self._weights}
        return {"epochs": self.epochs, **{name: torch.tensor(values) for name, values in kept.items()}}

    def load_state(self, state: dict) -> None:
        """Go on from `state`.

        Raises:
            ValueError: it is of another corpus.
        """
        losses, weights = state["losses"].numpy().copy(), state["weights"].numpy().copy()
        if not losses.shape == weights.shape == self._losses.shape:
            raise ValueError(
                f"the kept losses are of {len(losses)} pairs and the corpus has {len(self._losses)}: "
                "go on with the corpus that they were taken on"
            )
        self._losses, self._weights, self.epochs = losses, weights, int(state["epochs"])

    def _places(self, rows: torch.Tensor, choices: torch.Tensor) -> np.ndarray:
        return self._first[rows.cpu().numpy()] + choices.cpu().numpy()
