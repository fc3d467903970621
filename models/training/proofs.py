"""How well the module proofreads held-out captions, and whether it needs the image for it.

Only words that edits change, or put in, are judged: "a" and "picture" are never wrong, and a detector that knew no more
than this would seem to find wrong words without looking.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.evaluation.judged import editable
from models.evaluation.words import Control, Correction, control, correction, shuffled_images
from models.negatives.edited import Edited
from models.training.editing import EditedBatch, EditMaker
from models.training.features import normalised, text_features
from models.training.frames import visual_features
from models.training.objective import Objective
from models.training.pairs import Pairs
from models.training.reading import read

_BATCH = 64


@dataclass(frozen=True)
class Proofs:
    """Word-level figures on one edited caption of each scene."""

    detection: Control
    correction: Correction

    def figures(self) -> dict[str, float]:
        """By name, for a report."""
        return {
            "words_auroc": self.detection.auroc,
            "words_auroc_shuffled": self.detection.shuffled,
            "words_corrected": self.correction.accuracy,
        }


@dataclass(frozen=True)
class _Words:
    """Of W words: labels, what would be right (-1: right already, or outside), and what the module says of them.

    Attributes:
        scores: with the right image.
        shuffled: with another.
        guesses: with the right image.
    """

    wrong: np.ndarray
    originals: np.ndarray
    scores: np.ndarray
    shuffled: np.ndarray
    guesses: np.ndarray


def proofread(objective: Objective, pairs: Pairs, edits: EditMaker, seed: int = 0) -> Proofs | None:
    """Edit one caption of each picture, and let the module read them beside their images and beside others'.

    Args:
        objective: with a module.
        pairs: the pictures.
        edits: where the edits come from.
        seed: of the edits and of the shuffle.

    Returns:
        None where nothing can be said of it: there is one picture alone, no word was made wrong, or none that is judged is right.

    Raises:
        ValueError: the objective has no module.
    """
    if len(pairs) < 2:
        return None
    # every kind of caption takes its turn
    captions = [pairs.caption(row, row % len(texts)) for row, texts in enumerate(pairs.captions)]
    drawn = edits.draw(captions, np.random.default_rng(seed))
    judged = editable(drawn)
    others = shuffled_images(np.arange(len(drawn)), seed)
    objective.eval()
    parts: list[_Words] = []
    for start in range(0, len(drawn), _BATCH):
        rows = slice(start, start + _BATCH)
        batch = edits.lay_out(drawn[rows])
        pixels = tuple(
            normalised(objective.towers, torch.from_numpy(pairs.pixels(each[rows])))
            for each in (np.arange(len(drawn)), others)
        )
        parts.append(_answers(objective, batch, pixels, judged_words(drawn[rows], judged, batch)))
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    words = _Words(*(np.concatenate(column) for column in columns))
    if len(np.unique(words.wrong)) < 2:
        return None
    return Proofs(
        control(words.scores, words.shuffled, words.wrong), correction(words.guesses, words.originals, words.wrong)
    )


def judged_words(edits: Sequence[Edited], judged: frozenset[str], batch: EditedBatch) -> torch.Tensor:
    """Which words [m, w] of a batch, as it was laid out from *edits*, are among the *judged*, and within the context."""
    mask = torch.zeros_like(batch.there)
    for row, edit in enumerate(edits):
        mask[row, : len(edit.words)] = torch.tensor(
            [word.text.lower() in judged for word in edit.words], dtype=torch.bool
        )
    # of a word that was cut off nothing was read
    return mask & batch.there


@torch.no_grad()
def _answers(objective: Objective, batch: EditedBatch, pixels: Sequence[torch.Tensor], judged: torch.Tensor) -> _Words:
    """*pixels*: of the right images, and of others."""
    module = objective.module
    if module is None:
        raise ValueError("these towers were trained without proofreading: there is no module to ask")
    tokens = text_features(objective.towers, batch.ids).tokens
    right, other = (
        read(module, tokens, batch, visual_features(objective.towers, each, objective.levels)) for each in pixels
    )
    originals = torch.full(batch.there.shape, -1)
    originals[*batch.places.T] = batch.words
    return _Words(
        wrong=batch.wrong[judged].numpy(),
        originals=originals[judged].numpy(),
        scores=right.wrong(module)[judged].float().numpy(),
        shuffled=other.wrong(module)[judged].float().numpy(),
        guesses=right.right(module, judged.nonzero()).argmax(dim=-1).numpy(),
    )
