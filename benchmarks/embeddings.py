"""Vectors with the statistics of a dual encoder's embeddings, made by the million without a model or a download.

What is known of real ones, and is here:

- They fill a narrow cone: two pictures at random have a cosine near 0.5, and pictures and texts lie in two cones of
  their own (the modality gap, Liang et al. 2022, arXiv:2203.02053; ellipsoid shells off the origin, Levi and Gilboa 2024,
  arXiv:2411.14517). A text and its picture reach about 0.3, a text and any picture about 0.15.
- Around the cone's axis the variance falls as a power of the rank of the principal component.
- They are clustered on several scales, a few clusters are large and many small (Zipf): pictures of one subject, one
  series, near copies. So the intrinsic dimension near a vector (20 to 30 by nearest neighbours) is far below d.

`local_dimension` measures the last on whatever vectors; `benchmarks.index_1m` prints it beside its figures.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from index.vectors import unit

# a draw's share of variance that its subject, its series, and itself alone decide
SHARES = (0.30, 0.20, 0.50)
SERIES = 16
EXPONENT = 1.1
# cosine of two pictures (two texts) that have nothing in common: the length of the cone's axis, squared
CONE = 0.45
# of the two axes
GAP = 0.35
# how much of a text's direction is about its picture; the rest is a text's own
TOLD = 0.45


@dataclass(frozen=True)
class Embeddings:
    """A source of pictures' vectors, and of texts' that ask for them, in *dim* dimensions.

    Attributes:
        subjects: (S, d) float32, each drawn with Zipf's weights.
        series: (16 S, d) float32, of each subject sixteen.
        basis: (d, d) float32, orthonormal: the principal directions are no axes.
        axes: (2, d) float32, of the cones of pictures and of texts.
        scales: (d,) float32, standard deviation along each principal direction, squares summing to 1.
    """

    dim: int
    subjects: np.ndarray
    series: np.ndarray
    basis: np.ndarray
    axes: np.ndarray
    scales: np.ndarray

    @classmethod
    def make(cls, rows: int, dim: int, seed: int = 0) -> "Embeddings":
        """A source for a corpus of about *rows*: one subject for each 500."""
        rng = np.random.default_rng(seed)
        scales = np.arange(1, dim + 1, dtype=np.float32) ** (-EXPONENT / 2)
        basis = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype(np.float32)
        images, other = basis[:, -1], basis[:, -2]
        axes = np.stack([images, GAP * images + np.sqrt(1 - GAP**2) * other]).astype(np.float32)
        subjects = rng.standard_normal((max(16, rows // 500), dim), dtype=np.float32)
        series = rng.standard_normal((len(subjects) * SERIES, dim), dtype=np.float32)
        return cls(dim, subjects, series, basis, axes, scales / np.linalg.norm(scales))

    def images(self, rows: int, seed: int = 1, batch: int = 16_384) -> Iterator[np.ndarray]:
        """Pictures' vectors in batches (n, d) float32, unit norm; the same for the same seed."""
        rng = np.random.default_rng(seed)
        for start in range(0, rows, batch):
            content = self._content(rng, min(batch, rows - start))
            yield unit(np.sqrt(CONE) * self.axes[0] + np.sqrt(1 - CONE) * content)

    def texts(self, rows: int, seed: int = 2) -> np.ndarray:
        """Vectors (rows, d) of texts, each about a picture that could be stored: in the other cone, and vaguer."""
        rng = np.random.default_rng(seed)
        # its own part has the same decay along other directions
        own = (rng.standard_normal((rows, self.dim), dtype=np.float32) * self.scales) @ np.roll(self.basis.T, 1, axis=1)
        about = TOLD * self._content(rng, rows) + np.sqrt(1 - TOLD**2) * own
        return unit(np.sqrt(CONE) * self.axes[1] + np.sqrt(1 - CONE) * about)

    def _content(self, rng: np.random.Generator, rows: int) -> np.ndarray:
        """What is around the axis, (rows, d) of about unit norm."""
        subject, series, alone = (np.float32(np.sqrt(share)) for share in SHARES)
        which = _zipf(rng, len(self.subjects), rows)
        kind = which * SERIES + _zipf(rng, SERIES, rows)
        mixed = subject * self.subjects[which] + series * self.series[kind]
        mixed += alone * rng.standard_normal((rows, self.dim), dtype=np.float32)
        return (mixed * self.scales) @ self.basis.T


def local_dimension(distances: np.ndarray) -> float:
    """Intrinsic dimension near queries, from the distances (n, k) to their neighbours, rising (Levina and Bickel 2004)."""
    ratios = np.log(distances[:, -1:] / np.maximum(distances[:, :-1], 1e-9))
    return float(np.median((distances.shape[1] - 2) / ratios.sum(axis=1)))


def _zipf(rng: np.random.Generator, count: int, rows: int) -> np.ndarray:
    weights = 1 / np.arange(1, count + 1) ** 0.8
    return rng.choice(count, rows, p=weights / weights.sum())
