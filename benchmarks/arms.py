"""Arms of a comparison: the same recipe with some fields changed, trained and measured under several seeds."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from rich.console import Console
from rich.table import Table

from models.evaluation.figures import figures_under
from models.evaluation.report import REPORT_NAME, Report, read_report
from models.evaluation.statistics import RESAMPLES, Interval, draws, mean_and_sd
from models.manifest import read_manifest

Fields = dict[str, object]
# figures of the proofreading module, in a bundle's manifest
WORDS = ("words_auroc", "words_auroc_shuffled", "words_corrected")


@dataclass(frozen=True)
class Arm:
    """What one arm came to under every seed.

    Attributes:
        name: of the arm.
        reports: by seed.
        words: figures of the proofreading module by name, one for each seed; none for plain towers.
    """

    name: str
    reports: tuple[Report, ...]
    words: Mapping[str, tuple[float, ...]]


def part_of(fields: Fields, name: str) -> Fields:
    """A part of a recipe, which has it."""
    part = fields[name]
    assert isinstance(part, dict)
    return part


def steps_of(fields: Fields, steps: int | None, factor: float = 1.0) -> None:
    """Set a recipe's steps: to *steps*, or its own, times *factor*."""
    optim = part_of(fields, "optim")
    planned = optim["steps"] if steps is None else steps
    assert isinstance(planned, int)
    optim["steps"] = round(planned * factor)


def folder_of(work: Path, arm: str, seed: int) -> Path:
    """Where an arm's run under a seed is kept."""
    return work / f"{''.join(each for each in arm if each.isalnum() or each == '-').strip('-')}-{seed}"


def trained(folder: Path, fields: Fields, work: Path) -> Path:
    """The bundle of a recipe, trained into *folder* unless that is done; *work* is for what runs share.

    Raises:
        SystemExit: *folder* has another recipe's run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe, path, bundle = to_toml(fields), folder / "recipe.toml", folder / "bundle"
    if path.exists() and path.read_text(encoding="utf-8") != recipe:
        raise SystemExit(f"{path} is of another recipe than this command's: choose another --work, or remove {folder}")
    path.write_text(recipe, encoding="utf-8")
    if not (bundle / "bundle.json").exists():
        # one work folder for all: data are decoded once, checkpoints are named by their recipe
        vilem("train", str(path), "--output", str(bundle), "--work", str(work))
    return bundle


def measured(bundle: Path, found: Path, *source: str) -> tuple[Report, dict[str, float]]:
    """The report in *found* of a bundle's retrieval and edits, made unless it is there, and what its manifest says.

    Args:
        bundle: that was trained.
        found: folder of the report.
        source: arguments of `vilem eval retrieval` that name the data.
    """
    if not (found / REPORT_NAME).exists():
        vilem("eval", "retrieval", str(bundle), *source, "--edits", "--out", str(found))
    return read_report(found), read_manifest(bundle).provenance.metrics


def arm_of(name: str, runs: Sequence[tuple[Report, Mapping[str, float]]]) -> Arm:
    """An arm of what `measured` found under every seed."""
    words = {word: tuple(metrics[word] for _, metrics in runs) for word in WORDS if word in runs[0][1]}
    return Arm(name, tuple(report for report, _ in runs), words)


def to_toml(fields: Fields, under: str = "") -> str:
    """A recipe's file: plain values first, then its parts, each under its whole name."""
    plain = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if not isinstance(value, dict)]
    parts = [
        f"[{under}{name}]\n{to_toml(value, f'{under}{name}.')}"
        for name, value in fields.items()
        if isinstance(value, dict)
    ]
    return "\n".join([*plain, *parts])


def vilem(*arguments: str) -> None:
    """Run the command line of this interpreter's packages."""
    # by this interpreter: the benchmark may run without its `vilem` on the path
    subprocess.run([sys.executable, "-c", "from vilem.cli.main import main; main()", *arguments], check=True)


def differences(first: Arm, second: Arm, names: Sequence[str]) -> dict[str, tuple[float, Interval]]:
    """Second minus first by *names* of figures, the mean over seeds, with the middle 95 % over resamples of the test images."""
    images = first.reports[0].pool.images
    resampled: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for weights in draws(images, RESAMPLES, np.random.default_rng(0)):
        means = [_mean_under(arm, weights, names) for arm in (first, second)]
        for name in names:
            resampled[name].append(means[1][name] - means[0][name])
    return {
        name: (_mean(second, name) - _mean(first, name), Interval.of(np.concatenate(values)))
        for name, values in resampled.items()
    }


def _mean_under(arm: Arm, weights: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    found = [figures_under(report.pool, weights) for report in arm.reports]
    return {name: np.mean([each[name] for each in found], axis=0) for name in names}


def _mean(arm: Arm, name: str) -> float:
    return float(np.mean([report.figures[name] for report in arm.reports]))


def show_arms(arms: Sequence[Arm], names: Sequence[str], console: Console) -> None:
    """Every arm's figures: mean ± standard deviation over seeds, in percent."""
    table = Table(title=f"{len(arms[0].reports)} seed(s), percent, mean ± sd", title_justify="left")
    for column in ("arm", *names, *WORDS):
        table.add_column(column)
    for arm in arms:
        values = [[report.figures[name] for report in arm.reports] for name in names]
        values += [list(arm.words.get(name, ())) for name in WORDS]
        table.add_row(arm.name, *(_spread(each) for each in values))
    console.print(table)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    if len(values) == 1:
        return f"{100 * values[0]:.1f}"
    mean, sd = mean_and_sd(values)
    return f"{100 * mean:.1f} ± {100 * sd:.1f}"


def show_differences(
    plain: Arm, other: Arm, names: Sequence[str], console: Console, bars: Mapping[str, float] = MappingProxyType({})
) -> None:
    """One arm beside the plain one, with intervals and *bars* where figures have them."""
    table = Table(title=f"{other.name} - {plain.name}, points", title_justify="left")
    for column in ("figure", "difference", "95 % interval", "bar", ""):
        table.add_column(column)
    for name, (value, interval) in differences(plain, other, names).items():
        bar = bars.get(name)
        verdict = "" if bar is None else "ok" if value >= bar and interval.low > 0 else "MISSED"
        wanted = "" if bar is None else f"≥ {100 * bar:+.0f}"
        span = f"[{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
        table.add_row(name, f"{100 * value:+.1f}", span, wanted, verdict)
    console.print(table)
