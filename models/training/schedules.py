"""What changes as a run goes on: the learning rate, and what the losses are multiplied by."""

import math

from models.training.recipe import OptimPart, Recipe, SchedulePart


def learning_rate(step: int, optim: OptimPart) -> float:
    """Linear warm-up, then half a cosine to zero."""
    warmup = max(1, round(optim.warmup * optim.steps))
    if step < warmup:
        return optim.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, optim.steps - warmup)
    return optim.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def strength(step: int, recipe: Recipe) -> float:
    """Factor on the proofreading losses: 0 to 1 over their warm-up, so that towers that know nothing come first."""
    if recipe.proofreading is None:
        return 0.0
    if not recipe.proofreading.warmup:
        return 1.0
    return min(1.0, step / max(1, round(recipe.proofreading.warmup * recipe.optim.steps)))


def factors(step: int, recipe: Recipe) -> dict[str, float]:
    """What each loss is multiplied by at a step, beside its weight: its schedule, and the warm-up of proofreading."""
    found = {name: value(schedule, step / recipe.optim.steps) for name, schedule in recipe.schedules.items()}
    warm = strength(step, recipe)
    return found | {name: warm * found.get(name, 1.0) for name in ("detection", "correction")}


def value(schedule: SchedulePart, done: float) -> float:
    """A schedule's value when the share *done* of the steps is over."""
    along = min(1.0, max(0.0, (done - schedule.begin) / max(schedule.end - schedule.begin, 1e-12)))
    if schedule.shape == "cosine":
        along = (1 - math.cos(math.pi * along)) / 2
    return schedule.first + (schedule.last - schedule.first) * along
