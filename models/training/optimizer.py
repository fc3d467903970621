"""Which weights are trained, at which rate, and by what."""

import torch
from torch import nn

from models.training.layers import layers_above
from models.training.lora import adapt
from models.training.objective import Objective
from models.training.recipe import Recipe, RecipeError
from models.training.step import batch_norms

_SCALES = ("towers.logit_scale", "towers.logit_bias")


class Trainable:
    """Freezes what a recipe freezes, gives towers their low-rank changes, and builds the optimiser for the rest.

    Args:
        objective: changed in place.
        recipe: the run.

    Attributes:
        optimizer: of all weights that are trained.

    Raises:
        RecipeError: a tower is to be locked and changed at once.
        NothingToAdapt: a tower has nothing that low-rank changes could change.
    """

    def __init__(self, objective: Objective, recipe: Recipe) -> None:
        self._objective = objective
        self._still: list[nn.Module] = []
        rates = {"image": recipe.optim.image_rate, "text": recipe.optim.text_rate, "scale": 1.0}
        rates["module"] = recipe.proofreading.rate if recipe.proofreading else 1.0
        rates |= {"late": recipe.late.rate if recipe.late else 1.0, "tagging": 1.0}
        for part in ("image", "text"):
            self._settle(part, rates[part], recipe)
        self.optimizer = _adamw(objective, recipe, rates)

    def parameters(self) -> list[nn.Parameter]:
        """Those that are trained, in a fixed order."""
        return [each for group in self.optimizer.param_groups for each in group["params"]]

    def train(self) -> None:
        """Training mode for all but frozen parts: their batch normalisation stays as it was."""
        self._objective.train()
        for each in self._still:
            each.eval()

    def set_rate(self, rate: float) -> None:
        """Set the learning rate, each part's by its factor."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]

    def _settle(self, part: str, rate: float, recipe: Recipe) -> None:
        lora = recipe.lora if recipe.lora is not None and getattr(recipe.lora, part) else None
        if lora is None and rate:
            return
        if lora is not None and not rate:
            raise RecipeError(
                f"optim.{part}_rate = 0 locks the {part} tower, and lora.{part} changes it: leave one of them out"
            )
        for name, parameter in self._objective.named_parameters():
            if part_of(name) == part:
                parameter.requires_grad_(False)
        tower = _tower(self._objective.towers, part)
        if lora is None:
            self._still.append(tower)
            return
        adapt(tower, lora.rank, lora.alpha)
        self._still += batch_norms(tower)


def part_of(name: str) -> str:
    """Of a parameter of an objective, by its name: "image", "text", "scale", "late", "tagging" or "module"."""
    if name in _SCALES:
        return "scale"
    head = name.split(".")[0]
    if head in ("late", "tagging"):
        return head
    if not name.startswith("towers."):
        return "module"
    return "image" if name.startswith("towers.visual.") else "text"


def _tower(towers: nn.Module, part: str) -> nn.Module:
    # open_clip's CLIP has its text tower spread over the model; what is not in its transformer is embedding and one norm
    name = "visual" if part == "image" else "text" if hasattr(towers, "text") else "transformer"
    return towers.get_submodule(name)


def _adamw(objective: Objective, recipe: Recipe, rates: dict[str, float]) -> torch.optim.Optimizer:
    optim = recipe.optim
    above = layers_above(objective.towers) if optim.layer_decay < 1 else {}
    factors = {
        name: rates[part_of(name)] * optim.layer_decay ** above.get(name.removeprefix("towers."), 0)
        for name, _ in objective.named_parameters()
    }
    groups = [
        {"params": parameters, "weight_decay": decay, "factor": factor}
        for (_, factor, decay), parameters in _groups(objective, factors, optim.weight_decay).items()
    ]
    return torch.optim.AdamW(groups, lr=optim.learning_rate, betas=(0.9, 0.98), eps=1e-6)


def _groups(
    objective: Objective, factors: dict[str, float], decay: float
) -> dict[tuple[str, float, float], list[nn.Parameter]]:
    found: dict[tuple[str, float, float], list[nn.Parameter]] = {}
    for name, each in objective.named_parameters():
        if each.requires_grad:
            # gains, biases and the scale are not decayed: shrinking them only fights the normalisation
            key = part_of(name), factors[name], decay if each.ndim >= 2 else 0.0
            found.setdefault(key, []).append(each)
    return found
