"""Losses are taken in single precision at least."""

import torch


def full(values: torch.Tensor) -> torch.Tensor:
    """*values* as float32 when they come from autocast in half; float32 and float64 stay."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
