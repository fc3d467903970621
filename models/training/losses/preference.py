"""An image prefers its caption to the same caption with an error."""

import torch
from torch.nn import functional

from models.training.losses.reduction import full


def preference(
    images: torch.Tensor, texts: torch.Tensor, wrong: torch.Tensor, scale: torch.Tensor, count: int | None = None
) -> torch.Tensor:
    """Cross-entropy between two texts of one image: the contrastive loss without the other pairs.

    Among hundreds of texts an edited caption is one negative of many and soon has no weight; alone with the original it
    keeps it until the embedding tells the two apart. But a text that looks edited, whatever the image, can lose by pointing
    away from all images: that costs image→text retrieval, where texts of one image compete with those of others. With the
    mean of all images taken from each, such a text loses nothing, and only what this image says counts.

    Args:
        images: [n, d] unit vectors, less their common part where that is known.
        texts: [n, d] unit vectors of their captions.
        wrong: [n, d] unit vectors of these captions, edited.
        scale: factor on the cosine.
        count: edited captions of the joint batch that these n are a part of; n by default.

    Returns:
        A scalar; 0 when n is. Over the parts of a joint batch it adds up to the whole's.
    """
    if not len(images):
        return 0.0 * images.sum()
    images, texts, wrong = (full(each) for each in (images, texts, wrong))
    margin = scale * (images * (texts - wrong)).sum(dim=-1)  # [n]
    return functional.softplus(-margin).sum() / (len(images) if count is None else count)
