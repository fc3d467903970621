"""Early warnings: what goes wrong in a run long before its last figures would say so.

Every so often a step looks at itself: does the detector need the image, do the embeddings still fill their space? What it
saw is in the log; what is wrong is a sentence, said once until it was right again.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from models.errors import ModelError
from models.evaluation.words import control
from models.training.editing import EditedBatch

# words of so many looks are judged together: one batch has too few for a steady figure
_LOOKS = 5
# what the image must add to AUROC, when the run is old enough to be judged
_GAIN = 0.05
_OLD_ENOUGH = 0.2
# two embeddings chosen by lot are this similar, in the mean, only where nothing is told apart any more
_ALIKE = 0.95
# of d dimensions these are left
_FLAT = 2.0


class Diverged(ModelError):
    """A loss is no number any more; the weights of before are in the last checkpoint."""


@dataclass(frozen=True)
class Judged:
    """How the detector scores W words that are wrong in one text and right in another.

    Attributes:
        scores: (W,) with their own images.
        shuffled: (W,) with others'.
        wrong: (W,) bool.
    """

    scores: np.ndarray
    shuffled: np.ndarray
    wrong: np.ndarray


def check_numbers(step: int, parts: Mapping[str, float]) -> None:
    """Refuse to go on from a loss that is no number.

    Raises:
        Diverged: naming the step and the parts.
    """
    bad = [f"{name} is {value}" for name, value in parts.items() if not math.isfinite(value)]
    if bad:
        raise Diverged(
            f"step {step}: {', '.join(bad)}; the run stops, and its last checkpoint has the weights of before: "
            "lower optim.learning_rate, raise optim.warmup, or take another optim.precision"
        )


@torch.no_grad()
def spread(vectors: torch.Tensor) -> tuple[float, float]:
    """How unit vectors [n, d] fill their space.

    Returns:
        Mean cosine of two different ones, and the effective rank of their covariance: (sum l)^2 / sum l^2 of its
        eigenvalues l, between 1 and d; 0 where all vectors are one.
    """
    n = len(vectors)
    vectors = vectors.double()
    alike = (vectors.sum(dim=0).square().sum() - n) / (n * (n - 1))
    centred = vectors - vectors.mean(dim=0)
    covariance = centred.T @ centred
    trace, power = covariance.trace(), covariance.square().sum()
    rank = trace.square() / power if power > 1e-18 else torch.zeros(())
    return alike.item(), rank.item()


def ambiguous(edited: EditedBatch) -> torch.Tensor:
    """[m, w] bool: words that are wrong in one text of the batch and right in another, so that only the image tells."""
    keys = _word_keys(edited)
    wrong, right = edited.there & edited.wrong, edited.there & ~edited.wrong
    return edited.there & torch.isin(keys, keys[wrong]) & torch.isin(keys, keys[right])


def _word_keys(edited: EditedBatch) -> torch.Tensor:
    """[m, w] int64 that are equal where words have the same tokens, whatever their order: a sum of scattered ids."""
    scattered = (edited.ids + 1) * 0x9E3779B1 % 0x7FFFFFFF
    belongs = edited.word_of >= 0
    keys = torch.zeros_like(edited.there, dtype=torch.long)
    return keys.scatter_add_(1, edited.word_of.clamp(min=0), scattered * belongs)


@dataclass
class Watch:
    """Remembers the last looks of a run, and says what is wrong.

    Attributes:
        steps: of the run.
        bound: greatest logarithm of the logit scale; infinite where it has none.
        said: alarms that are on.
    """

    steps: int
    bound: float
    said: set[str] = field(default_factory=set[str])
    _words: deque[Judged] = field(default_factory=lambda: deque[Judged](maxlen=_LOOKS))

    def look(
        self, step: int, log_scale: float, vectors: Mapping[str, torch.Tensor], words: Judged | None
    ) -> tuple[dict[str, float], tuple[str, ...]]:
        """Judge one step.

        Args:
            step: its number.
            log_scale: logarithm of the logit scale.
            vectors: embeddings [n, d] of the joint batch's "images" and "texts".
            words: how the module read the batch's words; None without a module.

        Returns:
            Figures by name, and alarms that were not on at the last look.
        """
        figures: dict[str, float] = {}
        wrong: dict[str, str] = {}
        old = step >= _OLD_ENOUGH * self.steps
        for name in ("images", "texts"):
            alike, rank = spread(vectors[name])
            figures |= {f"{name}_cosine": alike, f"{name}_rank": rank}
            if old and (alike > _ALIKE or rank < _FLAT):
                wrong[name] = (
                    f"the embeddings of {name} collapse: two have a cosine of {alike:.2f} in the mean, and they fill "
                    f"{rank:.1f} dimensions; lower optim.learning_rate or raise optim.batch"
                )
        if log_scale >= self.bound - 1e-6:
            wrong["scale"] = (
                f"the logit scale stands at its bound of {math.exp(self.bound):.0f}: the contrastive loss has no softer "
                "targets left to learn from; lower optim.learning_rate, or look for pairs that are in the data twice"
            )
        if words is not None:
            figures |= self._judge(words)
            wrong |= _blind(figures) if old and len(self._words) == _LOOKS else {}
        new = tuple(wrong[name] for name in wrong if name not in self.said)
        self.said = set(wrong)
        return figures, new

    def _judge(self, words: Judged) -> dict[str, float]:
        self._words.append(words)
        scores, shuffled, wrong = (
            np.concatenate([getattr(each, name) for each in self._words]) for name in ("scores", "shuffled", "wrong")
        )
        if wrong.all() or not wrong.any():
            return {}
        found = control(scores, shuffled, wrong)
        return {"words_auroc": found.auroc, "words_auroc_shuffled": found.shuffled}


def _blind(figures: Mapping[str, float]) -> dict[str, str]:
    if "words_auroc" not in figures:
        return {}
    right, other = figures["words_auroc"], figures["words_auroc_shuffled"]
    if right - other >= _GAIN:
        return {}
    return {
        "blind": f"the detector does not use the image: it finds wrong words with AUROC {right:.2f} beside their own images "
        f"and {other:.2f} beside others'; raise proofreading.detection or its rate, or take edits that text alone "
        "does not give away"
    }
