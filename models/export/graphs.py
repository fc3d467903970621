"""The two towers as functions of raw inputs: uint8 pixels and token ids in, unit vectors out.

Normalisation, of pixels and of vectors, is inside the graph: nobody who serves a bundle can forget it.
"""

import torch
from torch import nn
from torch.nn import functional

from models.manifest import Preprocess


class ImageGraph(nn.Module):
    """pixels [n, s, s, 3] uint8 → embedding [n, d] float32."""

    def __init__(self, model: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", 255 * torch.tensor(preprocess.mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(preprocess.std).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed images."""
        images = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std  # [n, 3, s, s]
        return functional.normalize(self.model.encode_image(images).float(), dim=-1)


class CausalTextGraph(nn.Module):
    """ids [n, l] int64 → embedding [n, d] float32, for any l up to the context, of open_clip's own CLIP tower.

    open_clip adds all of its positions and masks; a causal tower needs only those of the tokens that are there.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed texts."""
        model, length = self.model, ids.shape[1]
        features = model.token_embedding(ids) + model.positional_embedding[:length]  # [n, l, w]
        features = model.transformer(features, attn_mask=model.attn_mask[:length, :length])
        features = model.ln_final(features)
        pooled = features[torch.arange(ids.shape[0]), ids.argmax(dim=-1)]  # [n, w]
        projection = model.text_projection
        projected = projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection
        return functional.normalize(projected, dim=-1)


class WholeTextGraph(nn.Module):
    """ids [n, context] int64 → embedding [n, d] float32, of any tower: SigLIP, CoCa, Hugging Face."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed texts."""
        return functional.normalize(self.model.encode_text(ids).float(), dim=-1)


def is_causal(model: nn.Module) -> bool:
    """Whether a text may be cut to its real length: a causal mask, pooled at the end-of-text token, nothing appended.

    True of open_clip's `CLIP`. Towers of their own (`model.text`) may append a class token (CoCa), look at padding
    (SigLIP) or both ways (Hugging Face): those get the whole context.
    """
    return (
        hasattr(model, "token_embedding")
        and getattr(model, "attn_mask", None) is not None
        and getattr(model, "text_pool_type", "argmax") == "argmax"
    )


def text_graph(model: nn.Module) -> nn.Module:
    """The text tower's graph."""
    return CausalTextGraph(model) if is_causal(model) else WholeTextGraph(model)
