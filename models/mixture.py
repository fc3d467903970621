"""Pairs that do not belong together, by how they score: a mixture of two Gaussians tells the two kinds apart.

Networks fit what is right before they fit what is wrong, so that the losses of wrong pairs, or their cosines with the sign
turned, stand apart from those of right ones (Li et al., "DivideMix", ICLR 2020, section 3.1; for images and texts Huang et al.,
"Learning with Noisy Correspondence", NeurIPS 2021, equations 3 and 4).
"""

from dataclasses import dataclass

import numpy as np

# fewer losses than this say nothing of two kinds
LEAST = 20

# DivideMix's floor under a variance of losses between 0 and 1: a component may not close on a single value
_FLOOR = 5e-4

# A mixture that moves the mean log-likelihood by less in a round is good enough to weigh by; it takes some tens of rounds.
_TOLERANCE = 1e-5
_ROUNDS = 300

# Two curves are as sharp by so many points as by more: of a longer list every so-manieth in order is fitted.
_POINTS = 200_000


@dataclass(frozen=True)
class _Mixture:
    """Of k Gaussians: weights, means and variances (k,), and what BIC says of it (lower is better)."""

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    bic: float

    def log_joint(self, values: np.ndarray) -> np.ndarray:
        """(N, k) logarithm of weight times density."""
        return _log_joint(values, self.weights, self.means, self.variances)


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
    scaled = (values - values.min()) / np.ptp(values)
    # sorted: which points the fit begins from, and the order of its sums, must not depend on the order of the pairs
    ordered = np.sort(scaled)[:: -(-len(scaled) // _POINTS)]
    one = _fit(ordered, np.ones((len(ordered), 1)))
    two = _fit(ordered, _halves(ordered))
    if one.bic <= two.bic:
        return np.ones(len(values))
    joint = two.log_joint(scaled.clip(two.means.min(), two.means.max()))
    low = int(two.means.argmin())
    # of two components: a difference of logarithms through the logistic function
    return 1 / (1 + np.exp(np.clip(joint[:, 1 - low] - joint[:, low], -700, 700)))


def _halves(ordered: np.ndarray) -> np.ndarray:
    """(N, 2) memberships to begin from: the cut of sorted values that leaves the least squares within its halves."""
    count = np.arange(1, len(ordered))
    left = np.cumsum(ordered)[:-1]
    right = ordered.sum() - left
    # least within is most between; the squares' sum is the same for every cut
    cut = int(np.argmax(left**2 / count + right**2 / (len(ordered) - count))) + 1
    lower = np.arange(len(ordered)) < cut
    return np.stack([lower, ~lower], axis=1).astype(np.float64)


def _fit(values: np.ndarray, memberships: np.ndarray) -> _Mixture:
    """Expectation maximisation from *memberships* (N, k), with `_FLOOR` added to every variance."""
    n, k = memberships.shape
    before, rounds = -np.inf, 0
    while True:
        mass = memberships.sum(axis=0) + 10 * np.finfo(np.float64).eps
        means = (memberships * values[:, None]).sum(axis=0) / mass
        variances = (memberships * (values[:, None] - means) ** 2).sum(axis=0) / mass + _FLOOR
        joint = _log_joint(values, mass / n, means, variances)
        peak = joint.max(axis=1, keepdims=True)
        each = np.exp(joint - peak)
        total = each.sum(axis=1, keepdims=True)
        likelihood, rounds = float((peak + np.log(total)).mean()), rounds + 1
        if likelihood - before < _TOLERANCE or rounds == _ROUNDS:
            # k - 1 free weights, k means, k variances
            return _Mixture(mass / n, means, variances, -2 * n * likelihood + (3 * k - 1) * float(np.log(n)))
        before, memberships = likelihood, each / total


def _log_joint(values: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    squares = (values[:, None] - means) ** 2 / variances
    return np.log(weights) - 0.5 * (squares + np.log(2 * np.pi * variances))
