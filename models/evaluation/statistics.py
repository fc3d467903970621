"""What a figure is worth: its spread over seeds, and the paired bootstrap over images of the difference of two models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.figures import figures_under
from models.evaluation.outcomes import Pool

RESAMPLES = 1000

# 95 % between them
_LOW, _HIGH = 2.5, 97.5

# resamples drawn at a time: 5,000 images need 5 MB for each hundred
_CHUNK = 100


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of a resampled figure."""

    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Interval":
        """Percentiles of resampled values, those without any query left out; NaN when none is left."""
        known = values[~np.isnan(values)]
        if not len(known):
            return cls(np.nan, np.nan)
        return cls(*(float(each) for each in np.percentile(known, (_LOW, _HIGH))))

    @property
    def clear(self) -> bool:
        """Whether it leaves zero out."""
        return self.low > 0 or self.high < 0


def draws(images: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Bootstrap weights, some rows at a time: (b, images) int64, each row sums to *images*."""
    for start in range(0, resamples, _CHUNK):
        yield rng.multinomial(images, np.full(images, 1 / images), size=min(_CHUNK, resamples - start))


def paired_bootstrap(
    first: Sequence[Pool], second: Sequence[Pool], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Intervals of second - first for every figure; both models see the same resamples of images.

    Args:
        first: a model's pools; the figure is the mean over them, and images are drawn anew within each.
        second: another model's outcomes on the same data, in the same order.
        resamples: how many.
        seed: equal seeds give equal intervals.

    Raises:
        ValueError: the pools have other sizes.
    """
    sizes = [[pool.images for pool in pools] for pools in (first, second)]
    if sizes[0] != sizes[1] or not first:
        raise ValueError(f"pools of {sizes[0]} and {sizes[1]} images cannot be paired: measure both on the same data")
    rng = np.random.default_rng(seed)
    parts = [_differences(a, b, resamples, rng) for a, b in zip(first, second, strict=True)]
    return {name: Interval.of(np.mean([part[name] for part in parts], axis=0)) for name in parts[0]}


def _differences(first: Pool, second: Pool, resamples: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """(B,) differences by figure, for figures that both have."""
    found: dict[str, list[np.ndarray]] = {}
    for weights in draws(first.images, resamples, rng):
        before, after = figures_under(first, weights), figures_under(second, weights)
        for name in before.keys() & after.keys():
            found.setdefault(name, []).append(after[name] - before[name])
    return {name: np.concatenate(values) for name, values in found.items()}


def mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and the standard deviation of a sample (n - 1 below the line).

    Raises:
        ValueError: fewer than two values have no deviation.
    """
    if len(values) < 2:
        raise ValueError(f"{len(values)} value has no deviation: give two seeds at least, three to say anything")
    return float(np.mean(values)), float(np.std(values, ddof=1))
