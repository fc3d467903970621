"""Whether a model tells a caption from its edit: an attribute swapped, a relation flipped, a count changed.

Retrieval among different pictures can be solved by a bag of colours; this cannot.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.bundle import Bundle
from models.scenes.corpus import generate
from models.scenes.grammar import Split


@dataclass(frozen=True)
class Told:
    """Of how many pairs of true and edited caption the true one scores strictly higher; chance is one half."""

    pairs: int
    share: float


def preference(image: np.ndarray, true: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Which of P edited captions score below the true one.

    Args:
        image: (d,) unit vector.
        true: (P, d) unit vectors of the true captions.
        edited: (P, d) unit vectors of their edits.

    Returns:
        (P,) bool; a tie counts against the model.
    """
    return true @ image > edited @ image


def scene_edits(bundle: Bundle, count: int, seed: int, split: Split = "test") -> dict[str, Told]:
    """Compare each caption of rendered scenes with each of its false edits.

    Returns:
        By kind of edit, sorted.
    """
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for each in generate(split, count, seed):
        if not each.negatives:
            continue
        image = bundle.embed_images(bundle.prepare(each.png())[None])[0]
        texts = [*each.captions, *(negative.text for negative in each.negatives)]
        vectors = bundle.embed_texts(texts).vectors
        true = vectors[[negative.caption for negative in each.negatives]]
        better = preference(image, true, vectors[len(each.captions) :])
        for negative, outcome in zip(each.negatives, better.tolist(), strict=True):
            outcomes[negative.kind].append(outcome)
    return {kind: _told(outcomes[kind]) for kind in sorted(outcomes)}


def _told(outcomes: Sequence[bool]) -> Told:
    return Told(len(outcomes), sum(outcomes) / len(outcomes))
