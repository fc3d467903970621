"""Low-rank changes of frozen weights (LoRA, Hu et al. 2022, section 4.1): W + (alpha / r) B A, of which B and A are trained.

By torch's own parametrization, so that no module is replaced and none is renamed: open_clip's towers, and the fused
projections of `nn.MultiheadAttention`, which have no module of their own, go on reading `weight` and `in_proj_weight`.
"""

import copy
import math
from typing import cast

import torch
from torch import nn
from torch.nn.utils import parametrize

from models.errors import ModelError

_WEIGHTS = ("weight", "in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


class NothingToAdapt(ModelError):
    """A tower has no weight that LoRA can change."""


class LowRank(nn.Module):
    """A change of rank r of a weight [o, i], zero at first.

    Args:
        shape: (o, i).
        rank: r.
        alpha: the change is multiplied by alpha / r.
    """

    def __init__(self, shape: torch.Size, rank: int, alpha: float) -> None:
        super().__init__()
        # as in the paper: one of the two is random, the other zero
        self.down = nn.Parameter(torch.randn(rank, shape[1]) / math.sqrt(shape[1]))
        self.up = nn.Parameter(torch.zeros(shape[0], rank))
        self._factor = alpha / rank

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """[o, i] to the same."""
        return weight + self._factor * (self.up @ self.down)


def adapt(tower: nn.Module, rank: int, alpha: float) -> list[str]:
    """Freeze a tower and give the matrices of its attentions and linear layers changes that are trained instead.

    Args:
        tower: changed in place.
        rank: of each change; at most the smaller side of its matrix is used.
        alpha: see `LowRank`.

    Returns:
        Names of the matrices.

    Raises:
        NothingToAdapt: the tower has none (a tower of convolutions alone).
    """
    tower.requires_grad_(False)
    # listed first: a parametrized module would be met again among its own children
    found = [
        (where, module, name)
        for where, module in tower.named_modules()
        if isinstance(module, nn.Linear | nn.MultiheadAttention)
        for name in _WEIGHTS
        if isinstance(getattr(module, name, None), nn.Parameter)
    ]
    if not found:
        raise NothingToAdapt(
            f"{type(tower).__name__} has no linear layer and no attention: LoRA changes nothing here; train it or freeze it"
        )
    for _, module, name in found:
        weight = getattr(module, name)
        change = LowRank(weight.shape, min(rank, *weight.shape), alpha).to(weight.device)
        parametrize.register_parametrization(module, name, change)
    return [f"{where}.{name}" for where, _, name in found]


def merged(model: nn.Module) -> nn.Module:
    """A copy whose changes are added to the weights: as large and as fast as before; *model* itself where none is."""
    if not any(parametrize.is_parametrized(module) for module in model.modules()):
        return model
    whole = copy.deepcopy(model)
    # listed first: taking a parametrization away changes the tree
    for module in [each for each in whole.modules() if parametrize.is_parametrized(each)]:
        _merge(module)
    return whole


def _merge(module: nn.Module) -> None:
    """What `remove_parametrizations` does, but for the class that the module shares with what it was copied from."""
    names = list(cast(nn.ModuleDict, module.parametrizations))
    weights = {name: getattr(module, name).detach() for name in names}
    module.__class__ = parametrize.type_before_parametrizations(module)
    del module.parametrizations
    for name, weight in weights.items():
        module.register_parameter(name, nn.Parameter(weight))
