"""How well the module proofreads held-out captions, and whether it needs the image for it.

Only words that edits change, or put in, are judged: "a" and "picture" are never wrong, and a detector that knew no more
than this would seem to find wrong words without looking.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.evaluation.words import Control, Correction, control, correction, shuffled_images
from models.negatives.edited import Edited
from models.negatives.editor import Caption
from models.training.data import SceneArrays
from models.training.editing import EditedBatch, EditMaker
from models.training.features import image_features, text_features
from models.training.interaction import pool_words
from models.training.loop import to_tensor
from models.training.objective import Objective

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
    """Of W words: scores, labels, first guesses and what would be right (-1: right already, or outside)."""

    scores: np.ndarray
    wrong: np.ndarray
    guesses: np.ndarray
    originals: np.ndarray


def proofread(objective: Objective, scenes: SceneArrays, edits: EditMaker, seed: int = 0) -> Proofs:
    """Edit one caption of each scene, and let the module read them beside their images and beside others'.

    Args:
        objective: with a module.
        scenes: at least two.
        edits: where the edits come from.
        seed: of the edits and of the shuffle.

    Raises:
        ValueError: the objective has no module, or there is one scene only.
    """
    drawn = edits.draw(_captions(scenes), np.random.default_rng(seed))
    own = np.arange(len(drawn))
    batches = [drawn[start : start + _BATCH] for start in range(0, len(drawn), _BATCH)]
    judged = editable(drawn)
    right = _read(objective, scenes, edits, batches, own, judged)
    shuffled = _read(objective, scenes, edits, batches, shuffled_images(own, seed), judged)
    return Proofs(
        control(right.scores, shuffled.scores, right.wrong),
        correction(right.guesses, right.originals, right.wrong),
    )


def editable(edits: Sequence[Edited]) -> frozenset[str]:
    """The words, in lower case, that stand where a word was changed, before or after."""
    after = {word.text.lower() for edit in edits for word, wrong in zip(edit.words, edit.wrong, strict=True) if wrong}
    return frozenset(after | {word for edit in edits for word in edit.should_be if word})


def _captions(scenes: SceneArrays) -> list[Caption]:
    # every kind of caption takes its turn
    return [
        Caption(texts[number % len(texts)], tuple(text for text in texts if text != texts[number % len(texts)]))
        for number, texts in enumerate(scenes.captions)
    ]


def _read(
    objective: Objective,
    scenes: SceneArrays,
    edits: EditMaker,
    batches: Sequence[Sequence[Edited]],
    images: np.ndarray,
    judged: frozenset[str],
) -> _Words:
    parts: list[_Words] = []
    for number, batch in enumerate(batches):
        pixels = to_tensor(scenes.images[images[number * _BATCH : number * _BATCH + len(batch)]])
        chosen = [[word.text.lower() in judged for word in edit.words] for edit in batch]
        laid = edits.lay_out(batch)
        parts.append(_answers(objective.eval(), laid, pixels, _mask(chosen, laid)))
    columns = zip(*((part.scores, part.wrong, part.guesses, part.originals) for part in parts), strict=True)
    return _Words(*(np.concatenate(column) for column in columns))


def _mask(chosen: Sequence[Sequence[bool]], batch: EditedBatch) -> torch.Tensor:
    mask = torch.zeros_like(batch.there)
    for row, words in enumerate(chosen):
        mask[row, : len(words)] = torch.tensor(words, dtype=torch.bool)
    return mask


@torch.no_grad()
def _answers(objective: Objective, batch: EditedBatch, pixels: torch.Tensor, judged: torch.Tensor) -> _Words:
    module = objective.module
    if module is None:
        raise ValueError("these towers were trained without proofreading: there is no module to ask")
    image = image_features(objective.towers, pixels, objective.levels)
    tokens = text_features(objective.towers, batch.ids).tokens
    features = module(pool_words(tokens, batch.word_of, batch.there.shape[1]), batch.there, image)
    originals = torch.full(batch.there.shape, -1)
    originals[*batch.places.T] = batch.words
    return _Words(
        module.detection(features)[judged].float().numpy(),
        batch.wrong[judged].numpy(),
        module.correction(features)[judged].argmax(dim=-1).numpy(),
        originals[judged].numpy(),
    )
