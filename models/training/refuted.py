"""Edits that the image does not refute are no errors: which those are, the towers in training say.

A word that a language model finds likelier than the one that stood there may well be as true of the image ("sofa" for
"couch", and much that no list has). The language model cannot tell, the image can: so such edits are left out of a step where
the towers find the edited caption at least as fitting as the caption itself (docs/negatives.md).
"""

from dataclasses import replace

import torch

from models.training.batch import Batch
from models.training.editing import EditedBatch
from models.training.features import text_features
from models.training.frames import visual_features
from models.training.objective import Objective
from models.training.step import How


class Judge:
    """Leaves out of batches what the towers do not find refuted.

    Args:
        margin: an edit is left out when its cosine with the image is at least the caption's plus this.
        objective: whose towers judge: those of the weights' average, or the ones in training.
        how: device, precision and chunk.

    Attributes:
        share: of the last batch's likely edits, how many were left out; 0 where there were none.
    """

    def __init__(self, margin: float, objective: Objective, how: How) -> None:
        self._margin, self._objective, self._how = margin, objective, how
        self.share = 0.0

    @torch.no_grad()
    def sift(self, batch: Batch) -> Batch:
        """The same pairs without the likely edits that their images do not refute; at least one edited text stays.

        The towers are left in evaluation mode.
        """
        self.share = 0.0
        edited = batch.edited
        if edited is None or edited.likely is None:
            return batch
        asked = (edited.likely & edited.changed).nonzero().squeeze(1)
        if not len(asked):
            return batch
        gains = self._gains(batch, edited, asked)
        out = gains >= self._margin
        if len(asked) == len(edited.ids) and out.all():
            # the one that the image refutes most
            out[gains.argmin()] = False
        keep = torch.ones_like(edited.likely)
        keep[asked[out]] = False
        self.share = out.float().mean().item()
        return replace(batch, edited=edited.only(keep))

    def _gains(self, batch: Batch, edited: EditedBatch, asked: torch.Tensor) -> torch.Tensor:
        """By how much the cosine of each edited text *asked* [n] with its image exceeds its caption's: [n]."""
        self._objective.eval()
        found = [self._some(batch, edited, rows) for rows in asked.split(self._how.chunk or len(asked))]
        return torch.cat(found)

    def _some(self, batch: Batch, edited: EditedBatch, asked: torch.Tensor) -> torch.Tensor:
        # several edits of one caption share its image and its own vector
        pairs, place = edited.owner[asked].unique(return_inverse=True)
        towers = self._objective.towers
        with self._how.autocast(), self._how.attention():
            images = visual_features(towers, batch.pixels[pairs], ()).embedding
            captions, edits = (text_features(towers, ids).embedding for ids in (batch.ids[pairs], edited.ids[asked]))
        return (images[place] * (edits - captions[place])).sum(dim=1)
