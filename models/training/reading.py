"""What the interaction module makes of the words of edited texts beside images, without the padding between them."""

from dataclasses import dataclass

import torch

from models.training.editing import EditedBatch
from models.training.features import ImageFeatures
from models.training.interaction import Interaction, pool_words
from models.training.lengths import by_length


@dataclass(frozen=True)
class Reading:
    """Of m texts of at most w words.

    Attributes:
        features: [n, out] for `Interaction.detection` and `.correction`, one text after the other, shorter ones first.
        where: [m, w] row of each word in *features*; of padding some row or other.
    """

    features: torch.Tensor
    where: torch.Tensor

    def wrong(self, module: Interaction) -> torch.Tensor:
        """Logits [m, w] that a word is wrong; those of padding mean nothing."""
        return module.detection(self.features)[self.where]

    def right(self, module: Interaction, places: torch.Tensor) -> torch.Tensor:
        """Logits [p, vocabulary] of the words that belong at *places*, [p, 2] of text and word."""
        return module.correction(self.features[self.where[*places.T]])


def read(module: Interaction, tokens: torch.Tensor, edited: EditedBatch, image: ImageFeatures) -> Reading:
    """Let the words of m edited texts meet their images.

    Args:
        module: reads.
        tokens: [m, t, width] features of the texts' tokens.
        edited: the texts.
        image: of b images, of which `edited.owner` says whose each text is.
    """
    length = edited.there.shape[1]
    # to the last word that is there: one whose tokens are all another's leaves a gap
    groups = by_length((edited.there * torch.arange(1, length + 1, device=edited.there.device)).amax(dim=1))
    order, sizes = torch.cat([rows for rows, _ in groups]), [len(rows) for rows, _ in groups]
    # put in order once and then split: the gradient of a part taken by its rows is as large as the whole
    owners = edited.owner[order]
    patches = [level.index_select(0, owners).split(sizes) for level in module.look(image.levels)]
    embeddings, said = image.embedding.index_select(0, owners).split(sizes), tokens.index_select(0, order).split(sizes)
    found, where, rows_before = [], torch.zeros_like(edited.there, dtype=torch.long), 0
    for part, (rows, most) in enumerate(groups):
        words = pool_words(said[part], edited.word_of[rows], most)
        met = module.meet(words, edited.there[rows, :most], [level[part] for level in patches], embeddings[part])
        where[rows, :most] = rows_before + torch.arange(len(rows) * most, device=where.device).view(len(rows), most)
        rows_before += len(rows) * most
        found.append(met.flatten(0, 1))
    return Reading(torch.cat(found), where)
