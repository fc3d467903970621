"""What a step of ViLEM costs beside a contrastive step of the same towers and batch.

    python -m benchmarks.vilem_step [--recipe models/recipes/scenes-s.toml] [--batch N] [--steps 12] [--rounds 4] [--workers 1] [--peak TFLOPS]

Any recipe will do: whatever its data and weights, it sees rendered scenes, from random weights, which cost the same, and
edits by rule, because nothing else is at hand everywhere. Both trainers take turns in one process, some steps each, so that other work on the machine meets both. A step is timed
whole: waiting for its batch (edits are drawn there), forward, backward, optimiser. The median of each counts. How many floating-point operations a step has
is counted by torch (products and convolutions, forward and backward); given what the processor can at most do in a second, in
the recipe's precision, the share of it that is used (model FLOPs utilisation) is printed too.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from torch.utils.flop_counter import FlopCounterMode

from benchmarks.table import Row, show
from models.training.loop import Step
from models.training.recipe import Recipe, read_recipe
from models.training.session import open_session

RECIPE = Path("models/recipes/scenes-s.toml")
BAR = 1.6
# enough for some different batches; more would only be rendered longer
_SCENES = 1024
# the first steps pay for memory that later ones find
_WARMUP = 2


def shortened(recipe: Recipe, workers: int, batch: int | None, *, proofreading: bool) -> Recipe:
    """The same recipe on a few scenes, with or without ViLEM; its steps stay: a short run looks at itself more often."""
    fields = recipe.model_dump(mode="json", exclude_unset=True)
    fields["data"] = {"train": _SCENES, "val": 2, "test": 2, "workers": workers}
    fields["optim"]["batch"] = batch or recipe.optim.batch
    if recipe.model is not None:
        fields["model"]["pretrained"] = "none"
    if not proofreading:
        fields["proofreading"] = fields["edits"] = None
    elif recipe.edits is not None:
        of_rules = {"plausible", "again", "errors", "kinds", "exchanges", "per_caption"}
        fields["edits"] = {name: value for name, value in fields["edits"].items() if name in of_rules} | {"rules": 1.0}
    return Recipe.model_validate(fields)


def seconds(steps: Iterator[Step], count: int) -> list[float]:
    """Of the next *count* steps."""
    return [next(steps).seconds for _ in range(count)]


def operations(steps: Iterator[Step]) -> float:
    """10^12 floating-point operations of the next step."""
    with FlopCounterMode(display=False) as counter:
        next(steps)
    return counter.get_total_flops() / 1e12


def rows_of(name: str, median_s: float, pairs: int, tera: float, peak: float | None) -> list[Row]:
    """What one step costs, and what is made of the processor."""
    rows = [
        Row(f"{name} step", median_s, "s"),
        Row(f"{name}, examples", pairs / median_s, "pairs/s"),
        Row(f"{name}, operations a step", tera, "TFLOP"),
    ]
    return rows if peak is None else [*rows, Row(f"{name}, MFU", 100 * tera / median_s / peak, "%")]


def main() -> None:
    """Time both, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--batch", type=int, help="pairs of a step, in place of the recipe's")
    parser.add_argument("--steps", type=int, default=12, help="of each in its turn")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1, help="processes that make batches")
    parser.add_argument("--peak", type=float, help="10^12 operations a second at most, such as 989 of an H200 in bf16")
    given = parser.parse_args()
    recipe = read_recipe(given.recipe)
    with tempfile.TemporaryDirectory() as work:
        runs = {
            name: open_session(
                shortened(recipe, given.workers, given.batch, proofreading=with_vilem), Path(work)
            ).trainer.run()
            for name, with_vilem in (("contrastive", False), ("ViLEM", True))
        }
        tera = {name: operations(run) for name, run in runs.items()}
        for run in runs.values():
            seconds(run, _WARMUP)
        found: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(given.rounds):
            for name, run in runs.items():
                found[name] += seconds(run, given.steps)
    pairs = given.batch or recipe.optim.batch
    medians = {name: median(each) for name, each in found.items()}
    rows = [row for name, each in medians.items() for row in rows_of(name, each, pairs, tera[name], given.peak)]
    ratio = medians["ViLEM"] / medians["contrastive"]
    show(f"A step of {recipe.name}, {pairs} pairs", [*rows, Row("ratio", ratio, "x", BAR, at_most=True)])


if __name__ == "__main__":
    main()
