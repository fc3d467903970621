"""Images or clips through the image tower: frames are images of one large batch, and what is said of them is averaged.

The mean of unit vectors, scaled to unit norm again, is what `vilem eval video` and `models.video.pooling.mean_pool` make of
the exported graph's vectors: what is trained is what is used. It is blind to the order of frames.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from models.training.features import ImageFeatures, image_features


def visual_features(model: nn.Module, pixels: torch.Tensor, levels: Sequence[int]) -> ImageFeatures:
    """Encode normalised images or clips once; training asks here, and not `models.training.features.image_features`.

    Args:
        model: an open_clip model.
        pixels: images [b, 3, s, s], or clips [b, f, 3, s, s].
        levels: numbers of blocks, the last one among them; or none.

    Returns:
        Unit vectors [b, d], and the map of each level [b, c, h, w]; of clips averaged over the frames.
    """
    if pixels.ndim == 4:
        return image_features(model, pixels, levels)
    clips, frames = pixels.shape[:2]
    found = image_features(model, pixels.flatten(0, 1), levels)  # [b x f, d], [b x f, c, h, w]
    mean = found.embedding.unflatten(0, (clips, frames)).mean(dim=1)  # [b, d]
    maps = tuple(level.unflatten(0, (clips, frames)).mean(dim=1) for level in found.levels)
    return ImageFeatures(functional.normalize(mean, dim=-1), maps)


def in_parts(pixels: torch.Tensor, pictures: int) -> tuple[torch.Tensor, ...]:
    """Images [b, s, s, 3] or clips [b, f, s, s, 3] in parts of at most so many pictures, or of one clip."""
    return pixels.split(max(1, pictures // (pixels.shape[1] if pixels.ndim == 5 else 1)))
