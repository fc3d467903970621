"""What a proofreader needs beside its weights, fitted on pictures that training has not seen.

Probabilities are fitted on words that edits change or put in, as they are judged in `models.training.proofs`, and on the same
words is chosen from which probability on a word is called wrong; the weight of re-ranking on the true captions, among the
candidates that the towers find.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from models.evaluation.calibration import (
    calibration_error,
    candidate_ranks,
    deciding_threshold,
    mixing_weight,
    platt,
    sigmoid,
)
from models.evaluation.judged import editable, judge
from models.manifest import Calibration
from models.negatives.edited import Edited, unedited
from models.proofreader import Proofreader
from models.training.editing import EditedBatch, EditMaker
from models.training.features import normalised, text_features
from models.training.frames import in_parts, visual_features
from models.training.interaction import Interaction, pool_words
from models.training.objective import Objective
from models.training.pairs import Pairs
from models.training.proofs import judged_words

# what a service re-ranks by default
CANDIDATES = 20
# of a larger split the first: two numbers and a weight need no more
_MOST = 1000
# readings of texts beside their candidates, of which each costs as much as twenty others
_MOST_QUERIES = 500
_BATCH = 64


_Seen = tuple[tuple[torch.Tensor, ...], torch.Tensor]


@dataclass(frozen=True)
class _Pictures:
    """N pictures as the module reads them: patches [N, p, c] of each level, embeddings [N, d]."""

    patches: tuple[torch.Tensor, ...]
    embeddings: torch.Tensor

    def of(self, rows: torch.Tensor) -> _Seen:
        return tuple(level[rows] for level in self.patches), self.embeddings[rows]


@torch.no_grad()
def calibrate(objective: Objective, pairs: Pairs, edits: EditMaker, seed: int = 0) -> Calibration:
    """Fit the calibration of a trained module.

    Args:
        objective: with a module.
        pairs: held-out pictures, at least two.
        edits: where the edits come from.
        seed: of the edits.

    Raises:
        ValueError: the objective has no module.
    """
    if objective.module is None:
        raise ValueError("these towers were trained without proofreading: there is no module to calibrate")
    objective.eval()
    count = min(len(pairs), _MOST)
    reader = _Reader(objective.towers, objective.module, edits)
    pictures = reader.look(pairs, count, objective.levels)
    owners, logits, wrong = _judged(reader, _drawn(pairs, edits, count, seed), pictures)
    slope, intercept = platt(logits, wrong)
    cosines, scores, right = _candidates(reader, pairs, pictures, (slope, intercept))
    alpha = mixing_weight(cosines, scores, right)
    return Calibration(
        threshold=deciding_threshold(sigmoid(slope * logits + intercept), wrong),
        slope=slope,
        intercept=intercept,
        alpha=alpha,
        words=len(logits),
        ece_before=calibration_error(sigmoid(logits), wrong),
        ece_after=_held_out_error(owners, logits, wrong),
        r1_before=float((candidate_ranks(cosines, right) == 1).mean()),
        r1_after=float((candidate_ranks(cosines + alpha * scores, right) == 1).mean()),
    )


def kept_threshold(reader: Proofreader, pairs: Pairs, edits: EditMaker, seed: int = 0) -> float:
    """The threshold that `calibrate` chooses, of a proofreader that is kept already; arguments as there."""
    plain = reader.correcting(np.inf)
    count = min(len(pairs), _MOST)
    drawn = _drawn(pairs, edits, count, seed)
    known = editable([edit for _, edit in drawn])
    of: dict[int, list[Edited]] = {}
    for row, edit in drawn:
        of.setdefault(row, []).append(edit)
    chances: list[float] = []
    wrong: list[bool] = []
    for row, texts in of.items():
        (image,) = plain.encode_images(pairs.pixels(np.array([row])))
        for edit, proof in zip(texts, plain.check_texts([edit.text for edit in texts], image), strict=True):
            for word in judge(edit, proof, proof, known, frozenset()):
                chances.append(word.own)
                wrong.append(word.wrong)
    return deciding_threshold(np.array(chances), np.array(wrong, bool))


@dataclass(frozen=True)
class _Reader:
    """Towers and module, asked as a proofreader asks them: pictures once, texts beside any of them."""

    towers: nn.Module
    module: Interaction
    edits: EditMaker

    def look(self, pairs: Pairs, count: int, levels: Sequence[int]) -> _Pictures:
        """The first *count* pictures."""
        patches: list[tuple[torch.Tensor, ...]] = []
        embeddings: list[torch.Tensor] = []
        device = next(self.module.parameters()).device
        for start in range(0, count, _BATCH):
            pixels = torch.from_numpy(pairs.pixels(np.arange(start, min(start + _BATCH, count))))
            for part in in_parts(pixels, _BATCH):
                found = visual_features(self.towers, normalised(self.towers, part.to(device)), levels)
                patches.append(self.module.look(found.levels))
                embeddings.append(found.embedding)
        return _Pictures(tuple(torch.cat(level) for level in zip(*patches, strict=True)), torch.cat(embeddings))

    def read(self, batch: EditedBatch, seen: _Seen) -> torch.Tensor:
        """Logits [n, w] on the CPU: each of n texts beside its picture, or one text beside n pictures."""
        patches, embeddings = seen
        batch = batch.each(lambda tensor: tensor.to(embeddings.device))
        tokens = text_features(self.towers, batch.ids).tokens
        words = pool_words(tokens, batch.word_of, batch.there.shape[1]).expand(len(embeddings), -1, -1)
        there = batch.there.expand(len(embeddings), -1)
        return self.module.detection(self.module.meet(words, there, patches, embeddings)).float().cpu()


def _held_out_error(owners: np.ndarray, logits: np.ndarray, wrong: np.ndarray) -> float:
    """Calibration error of each half of the pictures by what was fitted on the other."""
    chances = np.empty_like(logits)
    for half in (owners % 2 == 0, owners % 2 == 1):
        slope, intercept = platt(logits[~half], wrong[~half])
        chances[half] = sigmoid(slope * logits[half] + intercept)
    return calibration_error(chances, wrong)


def _drawn(pairs: Pairs, edits: EditMaker, count: int, seed: int) -> list[tuple[int, Edited]]:
    """Pictures, each with one edited text for every caption that it has."""
    found: list[tuple[int, Edited]] = []
    for turn in range(max(len(texts) for texts in pairs.captions[:count])):
        rows = [row for row in range(count) if turn < len(pairs.captions[row])]
        drawn = edits.draw([pairs.caption(row, turn) for row in rows], np.random.default_rng([seed, turn]))
        found += zip(rows, drawn, strict=True)
    return found


def _judged(
    reader: _Reader, drawn: Sequence[tuple[int, Edited]], pictures: _Pictures
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the W words that are judged: their pictures, logits and labels."""
    known = editable([edit for _, edit in drawn])
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, len(drawn), _BATCH):
        rows, texts = zip(*drawn[start : start + _BATCH], strict=True)
        batch = reader.edits.lay_out(texts)
        judged = judged_words(texts, known, batch)
        logits = reader.read(batch, pictures.of(torch.tensor(rows)))
        owners = torch.tensor(rows)[:, None].expand_as(judged)
        parts.append(tuple(each[judged].numpy() for each in (owners, logits, batch.wrong)))
    owners, logits, wrong = (np.concatenate(column) for column in zip(*parts, strict=True))
    return owners, logits.astype(np.float64), wrong


def _candidates(
    reader: _Reader, pairs: Pairs, pictures: _Pictures, fitted: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of Q captions: cosines and scores (Q, k) of the pictures nearest to them, and the place of their own."""
    slope, intercept = fitted
    embeddings = pictures.embeddings
    cosines: list[np.ndarray] = []
    scores: list[np.ndarray] = []
    right: list[int] = []
    for row in range(min(len(embeddings), _MOST_QUERIES)):
        # every kind of caption takes its turn
        batch = reader.edits.lay_out([unedited(pairs.captions[row][row % len(pairs.captions[row])])])
        vector = text_features(reader.towers, batch.ids.to(embeddings.device)).embedding[0]
        found, nearest = (embeddings @ vector).topk(min(CANDIDATES, len(embeddings)))
        # what is served scores what was read, too
        logits = reader.read(batch, pictures.of(nearest))[:, batch.there[0]].numpy()
        own = (nearest == row).nonzero().flatten().tolist()
        cosines.append(found.cpu().numpy())
        scores.append(-np.logaddexp(0, slope * logits + intercept).sum(axis=1))
        right.append(own[0] if own else -1)
    return np.stack(cosines), np.stack(scores), np.array(right)
