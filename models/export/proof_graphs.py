"""The proofreader's three graphs: what is kept of an image, the words' features, and the meeting of both.

The module is cut where an image's side ends: patches of all levels, projected, can be stored; a text never is.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from models.export.graphs import CausalTextGraph, ImageGraph
from models.manifest import Preprocess
from models.pretrained.causal import is_causal
from models.training.features import ImageFeatures, image_features, text_features
from models.training.interaction import Interaction


class ProofImageGraph(nn.Module):
    """pixels [n, s, s, 3] uint8 → embedding [n, d] and patches [n, P, c] float32, those of all levels in a row."""

    def __init__(self, model: nn.Module, preprocess: Preprocess, module: Interaction, levels: Sequence[int]) -> None:
        super().__init__()
        self.tower = ImageGraph(model, preprocess)
        self.module = module
        self.levels = tuple(levels)
        self.side = preprocess.size

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed images, and keep their patches."""
        found = self._features(pixels)
        # not len(pixels), which the exporter would take for a constant
        none = found.embedding.new_zeros(pixels.shape[0], 0, self.module.shape.width)
        return found.embedding, torch.cat([none, *self.module.look(found.levels)], dim=1)

    def counts(self) -> list[int]:
        """How many of the P patches are of each level."""
        with torch.no_grad():
            found = self._features(torch.zeros(1, self.side, self.side, 3))
            return [patches.shape[1] for patches in self.module.look(found.levels)]

    def _features(self, pixels: torch.Tensor) -> ImageFeatures:
        return image_features(self.tower.model, self.tower.normalised(pixels), self.levels)


class ProofTextGraph(nn.Module):
    """ids [n, l] int64 → tokens [n, l, w] float32, any l up to the context where the tower is causal."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.causal = CausalTextGraph(model) if is_causal(model) else None

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """The tokens' features as the last block leaves them."""
        if self.causal is not None:
            return self.causal.tokens(ids)
        return text_features(self.model, ids).tokens.float()


class WholeTokens(nn.Module):
    """ids [n, l] int64 → tokens [n, l, w] float32, with the whole context in open_clip's hands: the reference."""

    def __init__(self, model: nn.Module, context: int, pad_id: int) -> None:
        super().__init__()
        self.model = model
        self.context = context
        self.pad_id = pad_id

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """The tokens' features, of padding too."""
        length = ids.shape[1]
        whole = functional.pad(ids, (0, self.context - length), value=self.pad_id)  # [n, L]
        return text_features(self.model, whole).tokens[:, :length].float()


class ReadingGraph(nn.Module):
    """Words of n texts meet n images: logits of what is wrong, and of what belongs at m places.

    words [n, W, w] float32, there [n, W] bool, patches [n, P, c] and embedding [n, d] float32, places [m, 2] int64 (text
    and word) → wrong [n, W], answers [m, V] float32.

    Args:
        module: trained.
        counts: how many of the P patches are of each level.
    """

    def __init__(self, module: Interaction, counts: Sequence[int]) -> None:
        super().__init__()
        self.module = module
        self.counts = list(counts)

    def forward(
        self,
        words: torch.Tensor,
        there: torch.Tensor,
        patches: torch.Tensor,
        embedding: torch.Tensor,
        places: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Read."""
        features = self.module.meet(words, there, patches.split(self.counts, dim=1), embedding)  # [n, W, out]
        chosen = features.flatten(0, 1)[places[:, 0] * words.shape[1] + places[:, 1]]  # [m, out]
        return self.module.detection(features), self.module.correction(chosen)
