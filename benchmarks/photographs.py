"""ViLEM against plain contrastive training on photographs, from scratch: same small towers, pictures, steps and seeds.

    python -m benchmarks.photographs [--data ../shared/data/flickr8k] [--captions ../shared/data/captions/train.txt]
        [--work FOLDER] [--arms plain vilem] [--seeds 0] [--steps N] [--cost 2.0]

*data* has WebDataset shards train-*.tar and val-*.tar, *captions* lines that a masked language model is trained on. The arms are
models/recipes/flickr8k.toml and flickr8k-vilem.toml; retrieval is among the val split's pictures. Their captions are also edited
one word at a time, by each rule and by the language model (no test of SugarCrepe's, whose texts are of other pictures, but
of its kinds); neither has seen them. What is finished in FOLDER is not run again. It takes an hour or more.
"""

import argparse
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
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
from models.evaluation.dataset import Entry
from models.evaluation.layouts import open_dataset
from models.evaluation.layouts.files import Options
from models.evaluation.made_edits import made_edits
from models.evaluation.report import Report
from models.negatives.masked_lm import load_masked_lm
from models.sealed import write_atomically

RECIPES = Path(__file__).parents[1] / "models" / "recipes"
SHARED = Path("../shared/data")
PLAIN, EQUAL_TIME, VILEM = "plain", "plain, equal time", "vilem"
FIGURES = ("t2i_r1", "t2i_r5", "t2i_r10", "i2t_r1", "i2t_r5", "i2t_r10", "edits.macro", "shuffled.macro")


@dataclass(frozen=True)
class Plan:
    """What all runs share.

    Attributes:
        data: folder of the shards.
        captions: file for the language model.
        work: folder of runs.
        steps: in place of the recipes'; None for theirs.
        cost: of a step of ViLEM in plain steps.
    """

    data: Path
    captions: Path
    work: Path
    steps: int | None
    cost: float

    @property
    def masked_lm(self) -> Path:
        """The language model, trained unless it is there."""
        made = self.work / "masked-lm"
        if not made.exists():
            vilem("train-mlm", str(self.captions), "--output", str(made), "--steps", "1500")
        return made


def recipe_of(arm: str, seed: int, plan: Plan) -> Fields:
    """The fields of an arm's recipe."""
    name = "flickr8k-vilem" if arm == VILEM else "flickr8k"
    fields: Fields = tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8"))
    fields["seed"] = seed
    steps_of(fields, plan.steps, plan.cost if arm == EQUAL_TIME else 1.0)
    part_of(fields, "data")["path"] = str(plan.data)
    if arm == VILEM:
        part_of(fields, "edits").update(masked_lm=str(plan.masked_lm), cache=str(plan.work / "edits"))
    return fields


def corpus(plan: Plan) -> Path:
    """The val split as JSON lines with false edits of its captions, made unless it is there."""
    made, pictures = plan.work / "val.jsonl", plan.work / "pictures"
    if made.exists():
        return made
    pictures.mkdir(parents=True, exist_ok=True)
    entries = _entries(plan.data, "val")
    known = [entry.captions for entry in _entries(plan.data, "train")]
    false = made_edits([entry.captions for entry in entries], known, load_masked_lm(plan.masked_lm))
    lines: list[str] = []
    for number, entry in enumerate(entries):
        (pictures / f"{number}.jpg").write_bytes(entry.read())
        negatives = [{"text": each.text, "kind": each.kind, "caption": each.caption} for each in false[number]]
        line = {"path": f"pictures/{number}.jpg", "captions": entry.captions, "negatives": negatives}
        lines.append(json.dumps(line))
    # it says that all pictures are there: a part of it must not be taken for the whole
    write_atomically(made, "\n".join(lines).encode())
    return made


def _entries(data: Path, split: str) -> Sequence[Entry]:
    return open_dataset(data, Options(split=split), "webdataset").entries


def run(arm: str, seed: int, plan: Plan) -> tuple[Report, dict[str, float]]:
    """Train, export and evaluate one arm under one seed, unless that is done."""
    folder = folder_of(plan.work, arm, seed)
    bundle = trained(folder, recipe_of(arm, seed, plan), plan.work / "training")
    return measured(bundle, folder / "report", str(corpus(plan)))


def main() -> None:
    """Run what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "flickr8k")
    parser.add_argument("--captions", type=Path, default=SHARED / "captions" / "train.txt")
    parser.add_argument("--work", type=Path, default=Path("~/.cache/vilem/benchmarks/photographs").expanduser())
    parser.add_argument("--arms", nargs="+", choices=(PLAIN, EQUAL_TIME, VILEM), default=[PLAIN, EQUAL_TIME, VILEM])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, help="in place of the recipes'")
    parser.add_argument(
        "--cost", type=float, default=2.0, help="of a step of ViLEM, from benchmarks.vilem_step --recipe"
    )
    given = parser.parse_args()
    plan = Plan(given.data.resolve(), given.captions.resolve(), given.work.resolve(), given.steps, given.cost)
    arms = [arm_of(name, [run(name, seed, plan) for seed in given.seeds]) for name in given.arms]
    console = Console(width=150)
    show_arms(arms, FIGURES, console)
    kinds = sorted(name for name in arms[0].reports[0].figures if name.startswith("edits.") and name != "edits.macro")
    for arm in arms[1:]:
        show_differences(arms[0], arm, [*FIGURES, *kinds], console)
    console.print(machine(), highlight=False)


if __name__ == "__main__":
    main()
