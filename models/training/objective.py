"""The objective: from a batch to its losses. Plain contrastive, or with ViLEM's proofreading beside it.

The towers see each image once and each text once; with proofreading, the texts that were edited once more. Gradients of
detection and correction flow through the module into both towers: that is the whole point of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional

from models.training.editing import EditedBatch
from models.training.features import (
    ImageFeatures,
    TextFeatures,
    depth,
    image_features,
    level_indices,
    normalised,
    text_features,
)
from models.training.interaction import Interaction, Shape, pool_words
from models.training.losses import contrastive, correction, detection
from models.training.recipe import ProofreadingPart


@dataclass(frozen=True)
class Batch:
    """b pairs, and for proofreading their captions again, edited.

    Attributes:
        pixels: [b, 3, s, s] normalised; as a batch is made they are bytes, [b, s, s, 3], and `prepared` turns them.
        ids: [b, t] token ids.
        edited: m edited texts of the b pairs.
        rows: [b] which pictures of the corpus they are; None when nobody asks.
        choices: [b] which caption of each.
    """

    pixels: torch.Tensor
    ids: torch.Tensor
    edited: EditedBatch | None = None
    rows: torch.Tensor | None = None
    choices: torch.Tensor | None = None

    def prepared(self, towers: nn.Module, device: torch.device | str = "cpu") -> "Batch":
        """The same on *device*, its bytes normalised there for *towers*."""
        moved = self._each(lambda tensor: tensor.to(device, non_blocking=True))
        return replace(moved, pixels=normalised(towers, moved.pixels))

    def pin_memory(self) -> "Batch":
        """The same in pinned memory; a torch DataLoader calls it."""
        return self._each(torch.Tensor.pin_memory)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        edited = None if self.edited is None else self.edited.each(change)
        rest = {name: value for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return replace(self, edited=edited, **{name: change(value) for name, value in rest.items()})


class Objective(nn.Module):
    """Towers, and the module that is trained beside them.

    Args:
        towers: an open_clip model.
        module: None for plain contrastive training.
        weights: of the losses; needed with a module.
        levels: blocks of the image tower that the module reads.

    Attributes:
        towers: as given.
        module: as given.
        levels: as given.
    """

    def __init__(
        self,
        towers: nn.Module,
        module: Interaction | None = None,
        weights: ProofreadingPart | None = None,
        levels: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.towers = towers
        self.module = module
        self._weights = weights
        self.levels = levels

    def forward(self, batch: Batch, strength: float = 1.0) -> dict[str, torch.Tensor]:
        """Every part of the loss by name; "total" is what is to be descended.

        Args:
            batch: the pairs.
            strength: factor on the proofreading losses, which begin slowly.
        """
        if self.module is None or self._weights is None or batch.edited is None:
            images = image_features(self.towers, batch.pixels, ()).embedding
            loss = contrastive(images, text_features(self.towers, batch.ids).embedding, self._scale())
            return {"total": loss, "contrastive": loss}
        return self._proofread(self.module, self._weights, batch, batch.edited, strength)

    def _proofread(
        self, module: Interaction, weights: ProofreadingPart, batch: Batch, edited: EditedBatch, strength: float
    ) -> dict[str, torch.Tensor]:
        image = image_features(self.towers, batch.pixels, self.levels)
        texts = text_features(self.towers, batch.ids)
        changed = edited.changed.nonzero().squeeze(1)
        again = text_features(self.towers, edited.ids[changed])
        own = texts.tokens if len(edited.owner) == len(batch.ids) else texts.tokens[edited.owner]
        tokens = _put(own, changed, again.tokens, edited.ids.shape[1])
        features = read(module, tokens, edited, _of(image, edited.owner))
        wrong = again.embedding if weights.negatives else None
        parts = {
            "contrastive": contrastive(image.embedding, texts.embedding, self._scale(), wrong),
            "detection": detection(module.detection(features), edited.wrong, edited.there),
            "correction": correction(module.correction(features[*edited.places.T]), edited.words),
        }
        return {"total": total(parts, weights, strength), **parts}

    def _scale(self) -> torch.Tensor:
        return self.towers.logit_scale.exp()


def read(module: Interaction, tokens: torch.Tensor, edited: EditedBatch, image: ImageFeatures) -> torch.Tensor:
    """Features [b, w, out] of the words of edited texts, whose tokens' are [b, t, width], beside b images."""
    return module(pool_words(tokens, edited.word_of, edited.there.shape[1]), edited.there, image)


def with_proofreading(towers: nn.Module, part: ProofreadingPart, size: int, vocabulary: int) -> Objective:
    """Towers with a fresh module that fits them.

    Args:
        towers: an open_clip model.
        part: sizes and weights.
        size: side of the towers' images in pixels.
        vocabulary: words that correction can answer.
    """
    levels = tuple(level_indices(depth(towers), part.levels))
    image, text = _look(towers, size, levels)
    shape = Shape(
        tokens=text.tokens.shape[-1],
        embedding=image.embedding.shape[-1],
        levels=tuple(level.shape[1] for level in image.levels),
        width=part.width,
        heads=part.heads,
        side=part.side,
        vocabulary=vocabulary,
        local=part.local,
        whole=part.whole,
    )
    return Objective(towers, Interaction(shape), part, levels)


@torch.no_grad()
def _look(towers: nn.Module, size: int, levels: tuple[int, ...]) -> tuple[ImageFeatures, TextFeatures]:
    """Features of one empty picture and one short text: every kind of tower has channels of its own."""
    training = towers.training
    # or batch normalisation would remember the empty picture
    towers.eval()
    try:
        image = image_features(towers, torch.zeros(1, 3, size, size), levels)
        return image, text_features(towers, torch.ones(1, 2, dtype=torch.long))
    finally:
        towers.train(training)


def _of(image: ImageFeatures, owner: torch.Tensor) -> ImageFeatures:
    """The images of m texts, whose *owner* [m] says which; nothing is copied where each image has one text."""
    if len(owner) == len(image.embedding):
        return image
    return ImageFeatures(image.embedding[owner], tuple(level[owner] for level in image.levels))


def _put(tokens: torch.Tensor, rows: torch.Tensor, others: torch.Tensor, length: int) -> torch.Tensor:
    """Token features [b, length, w] with *rows* replaced by *others*: a text that was not edited is encoded once."""
    fitted = functional.pad(tokens, (0, 0, 0, max(0, length - tokens.shape[1])))[:, :length]
    return fitted.index_copy(0, rows, others.to(fitted.dtype)) if len(rows) else fitted


def total(parts: Mapping[str, torch.Tensor], weights: ProofreadingPart, strength: float) -> torch.Tensor:
    """The weighted sum of the parts."""
    beside = weights.detection * parts["detection"] + weights.correction * parts["correction"]
    return parts["contrastive"] + strength * beside
