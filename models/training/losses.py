"""What a dual encoder is trained by."""

import torch
from torch.nn import functional


def contrastive(images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Symmetric in-batch cross-entropy (CLIP, Radford et al. 2021, figure 3).

    Args:
        images: [b, d] unit vectors.
        texts: [b, d] unit vectors; row i belongs to image i.
        scale: factor on the cosine.

    Returns:
        The mean of both directions, a scalar.
    """
    logits = scale * images @ texts.T  # [b, b]
    labels = torch.arange(len(images), device=images.device)
    return (functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels)) / 2
