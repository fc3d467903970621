"""How soon an image tower of a recipe sees what is in a scene, for the same CPU time: why scenes-s has the tower it has.

    python -m benchmarks.image_towers [--seconds 60] [--work FOLDER]

Each tower learns with a linear layer, from the scenes themselves, which shapes there are, which colour has which shape, and
which shape is at which place: far more about each picture than captions tell. What is slow to see even so will not be
learnt from captions. Mean AUROC on 500 held-out scenes; one thread, bf16, batches of 64.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional

from benchmarks.table import machine
from models.evaluation.words import auroc
from models.scenes.corpus import example
from models.scenes.grammar import COLOURS, GRID, PATTERNS, SHAPES, Split
from models.training.data import SceneArrays, load_scenes
from models.training.features import image_features, normalised
from models.training.parts import ImageTower, ResidualPart, ResNetPart, TransformerPart
from models.training.recipe import read_recipe
from models.training.step import How
from models.training.towers import build_towers

RECIPE = Path(__file__).parents[1] / "models" / "recipes" / "scenes-s.toml"
SIZE, BATCH, LOOKS = 96, 64, 4
TOWERS: Mapping[str, ImageTower] = {
    "vision transformer, 4 x 128": TransformerPart(patch=16, layers=4, width=128, head_width=32, size=SIZE),
    "ModifiedResNet, width 16": ResNetPart(layers=(1, 1, 1, 1), width=16, size=SIZE),
    "residual blocks, 32-64-128, max": ResidualPart(channels=(32, 64, 128), stem=16, size=SIZE),
    "residual blocks, 32-64-128, avg": ResidualPart(channels=(32, 64, 128), stem=16, size=SIZE, pool="avg"),
}
# how many facts there are of each sort, in their order
FACTS = {
    "shapes": len(SHAPES),
    "patterns": len(PATTERNS),
    "colour of shape": len(COLOURS) * len(SHAPES),
    "shape at place": GRID * GRID * len(SHAPES),
}
FIRST = dict(zip(FACTS, accumulate(FACTS.values(), initial=0), strict=False))


def facts(split: Split, count: int) -> np.ndarray:
    """What is true of each scene: [count, facts] bool, in the order of FACTS."""
    found = np.zeros((count, sum(FACTS.values())), bool)
    for row in range(count):
        for each in example(split, row, 0, 16).scene.objects:
            shape = SHAPES.index(each.shape)
            found[row, FIRST["shapes"] + shape] = True
            found[row, FIRST["patterns"] + PATTERNS.index(each.pattern)] = True
            found[row, FIRST["colour of shape"] + len(SHAPES) * COLOURS.index(each.colour) + shape] = True
            found[row, FIRST["shape at place"] + len(SHAPES) * each.cell + shape] = True
    return found


def learn(
    part: ImageTower, scenes: SceneArrays, truths: torch.Tensor, seconds: float
) -> Iterator[tuple[float, nn.Module]]:
    """Train a tower and its linear layer for so many seconds of CPU, stopping LOOKS times; yields seconds a batch."""
    recipe = read_recipe(RECIPE)
    torch.manual_seed(0)
    towers = build_towers(recipe.model_copy(update={"image": part}), 512)
    whole = nn.ModuleDict({"towers": towers, "read": nn.Linear(recipe.dim or 0, truths.shape[1])})
    optimiser = torch.optim.AdamW(whole.parameters(), lr=2e-3, weight_decay=0.05)
    how, rng = How(dtype=torch.bfloat16), np.random.default_rng(0)
    spent = 0.0
    for look in range(1, LOOKS + 1):
        batches, began = 0, time.process_time()
        while spent + time.process_time() - began < seconds * look / LOOKS:
            rows = np.sort(rng.choice(len(scenes), BATCH, replace=False))
            with how.autocast(), how.attention():
                logits = says(whole, torch.from_numpy(scenes.pixels(rows)))
                loss = functional.binary_cross_entropy_with_logits(logits.float(), truths[rows].float())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            batches += 1
        spent += time.process_time() - began
        yield (time.process_time() - began) / max(1, batches), whole.eval()
        whole.train()


def says(whole: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Logits of every fact, of pictures as bytes; the embedding at the size of its other inputs."""
    embedding = image_features(whole.towers, normalised(whole.towers, pixels), ()).embedding
    return whole.read(embedding * embedding.shape[-1] ** 0.5)


def seen(whole: nn.Module, scenes: SceneArrays, truths: np.ndarray) -> dict[str, float]:
    """Mean AUROC of each sort of facts."""
    with torch.no_grad():
        logits = np.concatenate(
            [
                says(whole, torch.from_numpy(scenes.pixels(np.arange(start, min(start + 100, len(scenes)))))).numpy()
                for start in range(0, len(scenes), 100)
            ]
        )
    ranked = {
        fact: auroc(logits[:, fact], truths[:, fact])
        for fact in range(truths.shape[1])
        if 0 < truths[:, fact].sum() < len(truths)
    }
    return {
        name: float(np.mean([value for fact, value in ranked.items() if first <= fact < first + FACTS[name]]))
        for name, first in FIRST.items()
    }


def main() -> None:
    """Train every tower for the same time, and print what each has come to see."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU, for each tower")
    parser.add_argument(
        "--work", type=Path, default=Path("~/.cache/vilem/benchmarks/vilem_scenes/training").expanduser()
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    cache = given.work / "scenes"
    training, held_out = load_scenes(cache, "train", 20_000, 0, SIZE), load_scenes(cache, "val", 500, 0, SIZE)
    truths, expected = torch.from_numpy(facts("train", 20_000)), facts("val", 500)
    table = Table(title=f"AUROC after {given.seconds:.0f} s of CPU", title_justify="left")
    for column in ("tower", "s a batch of 64", "after", *FACTS):
        table.add_column(column, justify="left" if column == "tower" else "right")
    for name, part in TOWERS.items():
        for look, (cost, whole) in enumerate(learn(part, training, truths, given.seconds), 1):
            figures = seen(whole, held_out, expected)
            after = f"{given.seconds * look / LOOKS:.0f} s"
            table.add_row(name, f"{cost:.3f}", after, *(f"{value:.3f}" for value in figures.values()))
    console = Console()
    console.print(table)
    console.print(machine())


if __name__ == "__main__":
    main()
