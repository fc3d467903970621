"""Pairs that do not belong together, found by their losses.

Networks fit what is right before they fit what is wrong, so that after an epoch or two the losses of wrong pairs stand apart.
A mixture of two Gaussians over the losses says how likely each pair is right (Li et al., "DivideMix", ICLR 2020, section 3.1; for
images and texts Huang et al., "Learning with Noisy Correspondence", NeurIPS 2021, equations 3 and 4).
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

# fewer losses than this say nothing of two kinds
LEAST = 20

# DivideMix's floor under a variance of losses between 0 and 1: a component may not close on a single value
_FLOOR = 5e-4


def clean_probability(losses: np.ndarray) -> np.ndarray:
    """How likely each pair is right: the share of the mixture's component of lower mean in its loss.

    Where nothing speaks for two kinds every pair is taken for right: fewer than `LEAST` losses, all of them equal, or one Gaussian
    explaining them as well as two (by the Bayesian information criterion). Without that, half of the pairs of a clean
    corpus would be doubted. A lower loss is never less likely right: beyond its mean a component counts as at its mean,
    or a wide one would claim both ends.

    Args:
        losses: (N,) finite, in any unit: scale and offset do not matter.

    Returns:
        (N,) float64 between 0 and 1.

    Raises:
        ValueError: a loss is not finite.
    """
    values = np.asarray(losses, np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            f"{int((~np.isfinite(values)).sum())} of {len(values)} losses are not finite: training diverged"
        )
    if len(values) < LEAST or np.ptp(values) <= 1e-9 * np.abs(values).max():
        return np.ones(len(values))
    scaled = ((values - values.min()) / np.ptp(values))[:, None]
    # sorted: which points the fit begins from must not depend on the order of the pairs
    ordered = np.sort(scaled, axis=0)
    one, two = _fit(1, ordered), _fit(2, ordered)
    if one.bic(ordered) <= two.bic(ordered):
        return np.ones(len(values))
    means = np.asarray(two.means_).ravel()
    return two.predict_proba(scaled.clip(means.min(), means.max()))[:, means.argmin()]


def _fit(components: int, values: np.ndarray) -> GaussianMixture:
    with warnings.catch_warnings():
        # a mixture that still moves by a thousandth after so many rounds is good enough to weigh by
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianMixture(components, reg_covar=_FLOOR, random_state=0).fit(values)


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
