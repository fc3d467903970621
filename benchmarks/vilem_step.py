"""What a step of ViLEM costs beside a contrastive step of the same towers and batch.

    python -m benchmarks.vilem_step [--recipe models/recipes/scenes-s.toml] [--steps 12] [--rounds 4] [--workers 1]

Both trainers take turns in one process, some steps each, so that other work on the machine meets both. A step is timed
whole: waiting for its batch (edits are drawn there), forward, backward, optimiser. The median of each counts.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

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


def shortened(recipe: Recipe, workers: int, *, proofreading: bool) -> Recipe:
    """The same recipe on a few scenes, with or without ViLEM; its steps stay: a short run looks at itself more often."""
    fields = recipe.model_dump(mode="json", exclude_unset=True)
    fields["data"] |= {"train": _SCENES, "val": 2, "test": 2, "workers": workers}
    if not proofreading:
        fields["proofreading"] = fields["edits"] = None
    return Recipe.model_validate(fields)


def seconds(steps: Iterator[Step], count: int) -> list[float]:
    """Of the next *count* steps."""
    return [next(steps).seconds for _ in range(count)]


def main() -> None:
    """Time both, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--steps", type=int, default=12, help="of each in its turn")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1, help="processes that make batches")
    given = parser.parse_args()
    recipe = read_recipe(given.recipe)
    with tempfile.TemporaryDirectory() as work:
        runs = {
            name: open_session(shortened(recipe, given.workers, proofreading=with_vilem), Path(work)).trainer.run()
            for name, with_vilem in (("contrastive", False), ("ViLEM", True))
        }
        for run in runs.values():
            seconds(run, _WARMUP)
        found: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(given.rounds):
            for name, run in runs.items():
                found[name] += seconds(run, given.steps)
    plain, vilem = median(found["contrastive"]), median(found["ViLEM"])
    rows = [Row(f"{name} step", median(each), "s") for name, each in found.items()]
    show(f"A step of {recipe.name}", [*rows, Row("ratio", vilem / plain, "x", BAR, at_most=True)])


if __name__ == "__main__":
    main()
