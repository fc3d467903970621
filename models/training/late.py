"""Token-wise late interaction beside the contrastive loss: texts and images are compared part by part, not as wholes alone.

FILIP (Yao et al. 2022, section 3.1). The towers' tokens and patches are of different widths, so two small projections bring
them into one space; like the interaction module they are left behind when the towers are exported.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from models.manifest import TextSpec
from models.training.features import averaged
from models.training.losses import late_interaction
from models.training.recipe import LatePart


@dataclass(frozen=True)
class Widths:
    """Channels of what is compared: of the text tower's tokens, and of the image tower's last level."""

    tokens: int
    patches: int


class Late(nn.Module):
    """What compares b texts with b images part by part.

    Args:
        part: sizes, and weight of the loss.
        widths: of the towers' features.
        text: tells a text's tokens from markers and padding.
        first: whether the first place of a text has features of it, where the tower is not causal as `text` has it.

    Attributes:
        weight: of the loss.
        log_scale: logarithm of the factor on the similarities; of its own, because a mean of maxima has another spread than
            a cosine of embeddings.
    """

    def __init__(self, part: LatePart, widths: Widths, text: TextSpec, *, first: bool = True) -> None:
        super().__init__()
        self._first = first
        self.weight = part.weight
        self._side = part.side
        self._text = text
        self.tokens = nn.Sequential(nn.LayerNorm(widths.tokens), nn.Linear(widths.tokens, part.width))
        self.patches = nn.Sequential(nn.LayerNorm(widths.patches), nn.Linear(widths.patches, part.width))
        # as CLIP's own begins
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, level: torch.Tensor, tokens: torch.Tensor, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Bring the parts of b pairs into one space.

        Args:
            level: [b, c, h, w] the last level of the image tower, averaged to at most `side` patches a side.
            tokens: [b, t, w] features of the captions' tokens.
            ids: [b, t] their ids.

        Returns:
            "patches" [b, p, e] and "tokens" [b, t, e], unit vectors; zeros where there is no token of a text.
        """
        pooled = averaged(level, self._side).flatten(2).transpose(1, 2)  # [b, p, c]
        said = functional.normalize(self.tokens(tokens).float(), dim=-1)
        return {
            "patches": functional.normalize(self.patches(pooled).float(), dim=-1),
            "tokens": said.masked_fill(~self.there(ids)[..., None], 0.0),
        }

    def there(self, ids: torch.Tensor) -> torch.Tensor:
        """[b, t] bool: tokens of the text. At least one of each text is."""
        places = torch.arange(ids.shape[1], device=ids.device)
        if self._text.causal:
            ends = (ids == self._text.eot_id).int().argmax(dim=1, keepdim=True)
            # the first marker has seen nothing of the text, the last one all of it
            return (places > 0) & (places <= ends)
        return (ids != self._text.pad_id) | (places == 0) if self._first else (ids != self._text.pad_id) & (places > 0)

    def loss(
        self, vectors: Mapping[str, torch.Tensor], scale: torch.Tensor, weights: torch.Tensor | None
    ) -> torch.Tensor:
        """Of all pairs of the joint batch, a scalar.

        Args:
            vectors: as `forward` made them.
            scale: factor on the similarities.
            weights: of the pairs.
        """
        tokens = vectors["tokens"]
        return late_interaction(tokens, vectors["patches"], tokens.detach().any(dim=-1), scale, weights=weights)
