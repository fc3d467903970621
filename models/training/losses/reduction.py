"""How many losses become one."""

import torch


def full(values: torch.Tensor) -> torch.Tensor:
    """*values* as float32 when they come from autocast in half; float32 and float64 stay."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def weighted_mean(each: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Mean of [b] losses by weights [b], equal ones by default; 0 when all weights are."""
    if weights is None:
        return each.mean()
    weights = weights.to(each)
    # nothing divided by the least number is nothing
    return (weights * each).sum() / weights.sum().clamp(min=torch.finfo(each.dtype).tiny)
