"""The two towers, built by open_clip from a recipe."""

import torch
from torch import nn
from torch.nn import functional

from models.training.open_clip_import import import_open_clip
from models.training.recipe import Recipe


def build_towers(recipe: Recipe, vocabulary: int) -> nn.Module:
    """An `open_clip.model.CLIP` with fresh weights.

    Args:
        recipe: sizes of both towers.
        vocabulary: entries of the tokenizer; its last one is the end-of-text marker.
    """
    import_open_clip()
    from open_clip.model import CLIP

    return CLIP(
        embed_dim=recipe.dim,
        vision_cfg={
            "image_size": recipe.image.size,
            "layers": recipe.image.layers,
            "width": recipe.image.width,
            # ModifiedResNet's attention pool has width * 32 / head_width heads
            "head_width": 32,
        },
        text_cfg={
            "context_length": recipe.text.context_length,
            "vocab_size": vocabulary,
            "width": recipe.text.width,
            "heads": recipe.text.heads,
            "layers": recipe.text.layers,
        },
    )


def encode_images(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Embed normalised images [b, 3, s, s] to unit vectors [b, d]."""
    return functional.normalize(model.encode_image(pixels).float(), dim=-1)


def encode_texts(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """Embed token ids [b, l] to unit vectors [b, d]; l may be anything up to the context length.

    open_clip adds all of its positions; a causal tower does not need those after the longest text.
    """
    length = ids.shape[1]
    features = model.token_embedding(ids) + model.positional_embedding[:length]  # [b, l, w]
    features = model.transformer(features, attn_mask=model.attn_mask[:length, :length])
    features = model.ln_final(features)
    pooled = features[torch.arange(len(ids)), ids.argmax(dim=-1)]  # [b, w]
    return functional.normalize((pooled @ model.text_projection).float(), dim=-1)
