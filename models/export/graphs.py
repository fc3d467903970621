"""The two towers as functions of raw inputs: uint8 pixels and token ids in, unit vectors out.

Normalisation, of pixels and of vectors, is inside the graph: nobody who serves a bundle can forget it.
"""

import torch
from torch import nn
from torch.nn import functional

from models.export.last_block import is_plain, one_token
from models.manifest import Preprocess
from models.pretrained.causal import is_causal, text_tower


class ImageGraph(nn.Module):
    """pixels [n, s, s, 3] uint8 → embedding [n, d] float32."""

    def __init__(self, model: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", 255 * torch.tensor(preprocess.mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(preprocess.std).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed images."""
        return functional.normalize(self.model.encode_image(self.normalised(pixels)).float(), dim=-1)

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """What the tower takes: [n, 3, s, s]."""
        return (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std


class CausalTextGraph(nn.Module):
    """ids [n, l] int64 → embedding [n, d] float32, for any l up to the context, of open_clip's own text tower.

    open_clip adds all of its positions and masks; a causal tower needs only those of the tokens that are there.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.tower = text_tower(model)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed texts."""
        pooled = self._pooled(ids)  # [n, w]
        projection = getattr(self.tower, "text_projection", None)
        if isinstance(projection, nn.Linear):
            pooled = projection(pooled)
        elif projection is not None:
            pooled = pooled @ projection
        return functional.normalize(pooled, dim=-1)

    def tokens(self, ids: torch.Tensor) -> torch.Tensor:
        """Features [n, l, w] of the tokens, as the last block and its norm leave them."""
        features = self.tower.transformer(self._embedded(ids), attn_mask=self._mask(ids))
        return self.tower.ln_final(features)

    def _pooled(self, ids: torch.Tensor) -> torch.Tensor:
        """The features [n, w] of the end-of-text token, which has the greatest id; of the others no more than it looks at."""
        ends = ids.argmax(dim=-1)
        blocks = self.tower.transformer.resblocks
        if not is_plain(last := blocks[-1]):
            return self.tokens(ids)[torch.arange(ids.shape[0]), ends]
        features, mask = self._embedded(ids), self._mask(ids)
        for block in blocks[:-1]:
            features = block(features, attn_mask=mask)
        return self.tower.ln_final(one_token(last, features, ends, mask[ends])[:, 0])

    def _embedded(self, ids: torch.Tensor) -> torch.Tensor:
        """What comes into the first block [n, l, w]."""
        return self.tower.token_embedding(ids) + self.tower.positional_embedding[: ids.shape[1]]

    def _mask(self, ids: torch.Tensor) -> torch.Tensor:
        length = ids.shape[1]
        return self.tower.attn_mask[:length, :length]


class WholeTextGraph(nn.Module):
    """ids [n, l] int64 → embedding [n, d] float32, by open_clip's own function, of any tower: the reference for all.

    Attributes:
        context: L, to which shorter ids are padded first; None where they are whole.
    """

    def __init__(self, model: nn.Module, context: int | None = None, pad_id: int = 0) -> None:
        super().__init__()
        self.model = model
        self.context = context
        self.pad_id = pad_id

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed texts."""
        if self.context is not None:
            ids = functional.pad(ids, (0, self.context - ids.shape[1]), value=self.pad_id)  # [n, L]
        return functional.normalize(self.model.encode_text(ids).float(), dim=-1)


def text_graph(model: nn.Module) -> nn.Module:
    """The text tower's graph."""
    return CausalTextGraph(model) if is_causal(model) else WholeTextGraph(model)
