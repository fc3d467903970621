"""What the two towers say before and after pooling: the embedding, and the features that ViLEM's module reads.

open_clip has three shapes of text tower (inside the model, of its own, Hugging Face's) and three of image tower
(transformer, ModifiedResNet, timm); this is the one place that tells them apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from models.training.lengths import by_length, restored, together


@dataclass(frozen=True)
class ImageFeatures:
    """Of b images: unit vectors [b, d], and for each chosen level its map [b, c, h, w], shallow to deep."""

    embedding: torch.Tensor
    levels: tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class TextFeatures:
    """Of b texts: unit vectors [b, d], and the features of their l tokens [b, l, w] as the last block leaves them."""

    embedding: torch.Tensor
    tokens: torch.Tensor


def depth(model: nn.Module) -> int:
    """How many blocks or stages the image tower can be read after."""
    visual = model.visual
    if hasattr(visual, "trunk"):
        return len(visual.trunk.feature_info)
    if hasattr(visual, "layer4"):
        # the stem counts
        return 5
    return len(visual.transformer.resblocks)


def level_indices(model: nn.Module, count: int) -> list[int]:
    """The *count* blocks after which to read: evenly spaced, the last among them (ViLEM: D/3, 2D/3, D).

    Of a tower whose stages halve the map, the last *count*: its first ones know little yet, in many places.
    """
    blocks = depth(model)
    if count <= blocks and _halves(model.visual):
        return list(range(blocks - count, blocks))
    return [math.ceil(blocks * (place + 1) / count) - 1 for place in range(count)]


def _halves(visual: nn.Module) -> bool:
    """Whether a tower's later stages have smaller maps."""
    if not hasattr(visual, "trunk"):
        return hasattr(visual, "layer4")
    # a list, whatever the checker makes of a module's attributes
    stages: Any = visual.trunk.feature_info
    return len({stage["reduction"] for stage in stages}) > 1


def averaged(level: torch.Tensor, side: int) -> torch.Tensor:
    """A map [b, c, h, w] with what is finer than *side* patches a side averaged to so many."""
    height, width = (min(size, side) for size in level.shape[2:])
    return (
        level if (height, width) == tuple(level.shape[2:]) else functional.adaptive_avg_pool2d(level, (height, width))
    )


def normalised(towers: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Bytes [..., s, s, 3] as [..., 3, s, s] float32, by the mean and deviation that open_clip notes on the tower."""
    channels = pixels.movedim(-1, -3).float() / 255
    mean, std = (
        torch.tensor(each, device=pixels.device).view(3, 1, 1)
        for each in (towers.visual.image_mean, towers.visual.image_std)
    )
    return (channels - mean) / std


def image_features(model: nn.Module, pixels: torch.Tensor, levels: Sequence[int]) -> ImageFeatures:
    """Encode normalised images [b, 3, s, s] once, reading after the blocks *levels* on the way.

    Args:
        model: an open_clip model.
        pixels: the images.
        levels: numbers of blocks, the last one among them; or none.
    """
    if not levels:
        return ImageFeatures(functional.normalize(model.encode_image(pixels).float(), dim=-1), ())
    found = model.visual.forward_intermediates(pixels, indices=list(levels), output_fmt="NCHW")
    embedding = functional.normalize(found["image_features"].float(), dim=-1)
    return ImageFeatures(embedding, tuple(found["image_intermediates"]))


def text_features(model: nn.Module, ids: torch.Tensor) -> TextFeatures:
    """Encode token ids [b, l]; a causal tower that is part of the model takes any l up to its context.

    It does not see what follows a text, so texts of near length are encoded together, without the others' padding; the
    features of tokens after a text's end mean nothing, and may be zeros.
    """
    if not hasattr(model, "token_embedding"):
        pooled, tokens = _own(model.text, ids)
    elif not is_cuttable(model):
        pooled, tokens = _inside(model, ids)
    else:
        pooled, tokens = _by_length(model, ids)
    return TextFeatures(functional.normalize(pooled.float(), dim=-1), tokens)


def is_cuttable(model: nn.Module) -> bool:
    """Whether a tower inside the model looks at nothing after the end of a text, which is its greatest token id."""
    return getattr(model, "attn_mask", None) is not None and model.text_pool_type == "argmax"


def _by_length(model: nn.Module, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    groups = by_length(ids.argmax(dim=-1) + 1)
    if len(groups) == 1:
        return _inside(model, ids)
    found = [_inside(model, ids[rows, :longest]) for rows, longest in groups]
    rows = [each for each, _ in groups]
    pooled, tokens = ([pair[place] for pair in found] for place in (0, 1))
    return restored(rows, pooled), together(rows, tokens, ids.shape[1])


def _inside(model: nn.Module, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """CLIP's own tower; open_clip adds all of its positions, a causal tower does not need those after the longest text."""
    from open_clip.transformer import text_global_pool

    length = ids.shape[1]
    hidden = model.token_embedding(ids) + model.positional_embedding[:length]  # [b, l, w]
    # not causal: CLIPA's
    whole = getattr(model, "attn_mask", None)
    mask = None if whole is None else whole[:length, :length]
    tokens = model.ln_final(model.transformer(hidden, attn_mask=mask))
    pooled = text_global_pool(tokens, ids, model.text_pool_type, eos_token_id=getattr(model, "text_eos_id", None))
    projection = getattr(model, "text_projection", None)
    if isinstance(projection, nn.Linear):
        return projection(pooled), tokens
    return (pooled if projection is None else pooled @ projection), tokens


def _own(tower: nn.Module, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A tower of its own: SigLIP's, CoCa's, Hugging Face's."""
    before, tower.output_tokens = tower.output_tokens, True
    try:
        pooled, tokens = tower(ids)
    finally:
        tower.output_tokens = before
    if tokens.shape[1] < ids.shape[1]:
        # open_clip leaves the first token of a tower that pools it away: give the others their places back
        tokens = functional.pad(tokens, (0, 0, ids.shape[1] - tokens.shape[1], 0))
    return pooled, tokens
