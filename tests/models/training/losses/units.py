"""Unit vectors to compare losses on."""

import torch


def units(seed: int, *shape: int) -> torch.Tensor:
    """Random float64 vectors of norm 1 along the last axis."""
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values / values.norm(dim=-1, keepdim=True)


def gradients(loss: torch.Tensor, *of: torch.Tensor) -> list[torch.Tensor]:
    """Its gradients with respect to *of*, the graph kept."""
    return list(torch.autograd.grad(loss, of, retain_graph=True))
