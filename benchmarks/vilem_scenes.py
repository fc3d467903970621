"""ViLEM against plain contrastive training on rendered scenes: same towers, data, steps and seeds; and what each part brings.

    python -m benchmarks.vilem_scenes [--work FOLDER] [--arms plain vilem] [--seeds 0 1 2] [--steps N] [--scenes N]

Every arm is models/recipes/scenes-s.toml with some fields changed. Each run is `vilem train` and then `vilem eval
BUNDLE --edits` on what it exported, in processes of their own; what is finished in FOLDER is not run again, so the
command may be stopped and given again, with more seeds or arms. Differences are of the mean over seeds; their intervals
resample the test images, the same for every seed and both arms. It takes hours: `python -m benchmarks` leaves it out.
"""

import argparse
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from rich.console import Console

from benchmarks.arms import (
    Fields,
    arm_of,
    folder_of,
    measured,
    part_of,
    show_arms,
    show_differences,
    steps_of,
    trained,
    vilem,
)
from benchmarks.table import machine
from models.evaluation.report import Report
from models.scenes.corpus import generate

RECIPE = Path(__file__).parents[1] / "models" / "recipes" / "scenes-s.toml"
PLAIN, EQUAL_TIME, MASKED = "plain", "plain, equal time", "masked LM's edits"

# what an arm changes in the recipe; None takes a part out
_NO_TAGGING: Fields = {"tagging": None, "schedules": None}
_PLAIN: Fields = {"proofreading": None, "edits": None, **_NO_TAGGING}
_NO_WORDS: Fields = {"proofreading.detection": 0.0, "proofreading.correction": 0.0}
ARMS: Mapping[str, Fields] = {
    PLAIN: _PLAIN,
    EQUAL_TIME: _PLAIN,
    "plain + tagging": {"proofreading": None, "edits": None},
    "vilem": {},
    "- tagging": _NO_TAGGING,
    "tagging to the end": {"schedules": None},
    "negatives alone (NegCLIP)": {**_NO_WORDS, "proofreading.negatives": True, "proofreading.preference": 0.0},
    "negatives and preference alone": {**_NO_WORDS, "proofreading.negatives": True},
    "preference alone": _NO_WORDS,
    "- preference": {"proofreading.preference": 0.0},
    "- detection": {"proofreading.detection": 0.0},
    "- correction": {"proofreading.correction": 0.0},
    "- global": {"proofreading.whole": False},
    "- local": {"proofreading.local": False},
    "- multi-level": {"proofreading.levels": 1},
    MASKED: {"edits": {"rules": 0.0, "masked": 1.0}},
}

# figures of a report, in the order of the table
RETRIEVAL = ("t2i_r1", "i2t_r1", "t2i_r1.held-back", "edits.macro", "shuffled.macro", "edits.held-back")
BARS = {"t2i_r1": 0.03, "i2t_r1": 0.03, "edits.macro": 0.10}


@dataclass(frozen=True)
class Plan:
    """What all runs share.

    Attributes:
        work: folder of runs, rendered scenes and checkpoints.
        steps: in place of the recipe's; None for the recipe's.
        cost: of a step of ViLEM in plain steps, which the arm of equal time has more of.
        scenes: held out, to search among: of a thousand the towers find nearly all.
    """

    work: Path
    steps: int | None
    cost: float
    scenes: int


def recipe_of(arm: str, seed: int, plan: Plan) -> Fields:
    """The fields of an arm's recipe."""
    fields: Fields = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    # what follows when the towers are done changes no figure of theirs
    part_of(fields, "proofreading").pop("alone", None)
    changes = {"seed": seed, **ARMS[arm]}
    steps_of(fields, plan.steps, plan.cost if arm == EQUAL_TIME else 1.0)
    for path, value in changes.items():
        *parents, name = path.split(".")
        target = fields
        for parent in parents:
            target = part_of(target, parent)
        if value is None:
            del target[name]
        else:
            target[name] = value
    if arm == MASKED:
        part_of(fields, "edits")["masked_lm"] = str(_masked_lm_in(plan.work))
    return fields


def run(arm: str, seed: int, plan: Plan) -> tuple[Report, dict[str, float]]:
    """Train, export and evaluate one arm under one seed, unless that is done."""
    if arm == MASKED:
        masked_lm(plan.work)
    folder = folder_of(plan.work, arm, seed)
    bundle = trained(folder, recipe_of(arm, seed, plan), plan.work / "training")
    return measured(bundle, folder / f"report-{plan.scenes}", "--scenes", str(plan.scenes))


@cache
def taught() -> list[tuple[str, ...]]:
    """The captions of each training scene."""
    count = part_of(tomllib.loads(RECIPE.read_text(encoding="utf-8")), "data")["train"]
    assert isinstance(count, int)
    # small, for nobody looks at them
    return [scene.captions for scene in generate("train", count, 0, 16)]


def masked_lm(work: Path) -> Path:
    """The folder of a masked language model of what is `taught`, trained in *work* unless it is there."""
    folder = _masked_lm_in(work)
    if not folder.exists():
        work.mkdir(parents=True, exist_ok=True)
        lines = work / "captions.txt"
        lines.write_text("".join(f"{text}\n" for texts in taught() for text in texts), "utf-8")
        vilem("train-mlm", str(lines), "--output", str(folder))
    return folder


def _masked_lm_in(work: Path) -> Path:
    return work / "masked-lm"


def main() -> None:
    """Run what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("~/.cache/vilem/benchmarks/vilem_scenes").expanduser())
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), default=[PLAIN, EQUAL_TIME, "vilem"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="in place of the recipe's")
    parser.add_argument("--cost", type=float, default=1.6, help="of a step of ViLEM, from benchmarks.vilem_step")
    parser.add_argument("--scenes", type=int, default=5000, help="held out, to search among")
    given = parser.parse_args()
    plan = Plan(given.work.resolve(), given.steps, given.cost, given.scenes)
    arms = [arm_of(name, [run(name, seed, plan) for seed in given.seeds]) for name in given.arms]
    console = Console(width=150)
    show_arms(arms, RETRIEVAL, console)
    plain = [arm for arm in arms if arm.name in (PLAIN, EQUAL_TIME)]
    for first, arm in product(plain, arms):
        if arm not in plain:
            show_differences(first, arm, RETRIEVAL, console, BARS)
    console.print(machine(), highlight=False)


if __name__ == "__main__":
    main()
