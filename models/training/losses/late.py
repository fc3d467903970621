"""Token-wise late interaction. In the shapes below: b pairs, t tokens, p patches, d dimensions, c texts of a chunk."""

import torch

from models.training.losses.contrastive import mean_choice
from models.training.losses.reduction import full

# below any cosine, and finite: a maximum never falls on what is not there, and never is no number
_NOWHERE = -2.0

# cosines of a chunk: 32 MB in single precision, and with what is made of them on the way about four times that
_AT_ONCE = 2**23


def late_interaction(
    tokens: torch.Tensor,
    patches: torch.Tensor,
    there: torch.Tensor,
    scale: torch.Tensor,
    *,
    seen: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    chunk: int | None = None,
) -> torch.Tensor:
    """Contrastive loss over `late_similarities`: each direction has its own (FILIP, Yao et al. 2022, section 3.1).

    Args:
        tokens: [b, t, d] unit vectors of the tokens of b texts.
        patches: [b, p, d] unit vectors of the patches of their b images.
        there: [b, t] bool, False for padding; each text has a token.
        scale: factor on the similarity.
        seen: [b, p] bool, False for patches that are padding; each image has a patch. All by default.
        weights: [b] of the pairs, as in `contrastive`.
        chunk: texts that are compared at once; by default so many that about 128 MB are held.

    Returns:
        The mean of both directions, a scalar.
    """
    to_texts, to_images = late_similarities(tokens, patches, there, seen=seen, chunk=chunk)
    own = torch.arange(len(tokens), device=tokens.device)
    return (mean_choice(scale * to_texts, own, weights) + mean_choice(scale * to_images, own, weights)) / 2


def late_similarities(
    tokens: torch.Tensor,
    patches: torch.Tensor,
    there: torch.Tensor,
    *,
    seen: torch.Tensor | None = None,
    chunk: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """How well images and texts fit, part by part (FILIP, section 3.1, token-wise maximum similarity).

    All b * t * b * p cosines are needed and never held: texts come in chunks, and for the backward pass a maximum keeps only
    where it was.

    Args:
        tokens: as in `late_interaction`, of b texts.
        patches: as in `late_interaction`, of n images.
        there: as in `late_interaction`.
        seen: as in `late_interaction`.
        chunk: as in `late_interaction`.

    Returns:
        to_texts [n, b]: mean over an image's patches of the most similar token's cosine; and to_images [b, n]: mean over a
        text's tokens of the most similar patch's.
    """
    step = chunk or max(1, _AT_ONCE // (tokens.shape[1] * len(patches) * patches.shape[1]))
    parts = [
        _compare(some, patches, real, seen)
        for some, real in zip(tokens.split(step), there.split(step), strict=True)
    ]  # fmt: skip
    return torch.cat([each[0] for each in parts], dim=1), torch.cat([each[1] for each in parts])


def _compare(
    tokens: torch.Tensor, patches: torch.Tensor, there: torch.Tensor, seen: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """`late_similarities` of one chunk of texts: [n, c] and [c, n]."""
    cosines = torch.einsum("ctd,npd->cntp", tokens, patches)
    # max by place, not amax: amax would keep all cosines for the backward pass
    of_patches = cosines.masked_fill(~there[:, None, :, None], _NOWHERE).max(dim=2).values  # [c, n, p]
    if seen is None:
        # images rarely have padding: no copy of the cosines for nothing
        return full(of_patches).mean(dim=-1).T, _mean(cosines.max(dim=3).values, there[:, None])
    of_tokens = cosines.masked_fill(~seen[None, :, None, :], _NOWHERE).max(dim=3).values  # [c, n, t]
    return _mean(of_patches, seen[None]).T, _mean(of_tokens, there[:, None])


def _mean(values: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mean of [c, n, x] over its last axis, where *real*."""
    return (full(values) * real).sum(dim=-1) / real.sum(dim=-1).clamp(min=1)
