"""`vilem train-mlm`: a small masked language model from captions alone, which edits captions where no other is at hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from models.negatives.masked_training import MlmReport, MlmTraining


def train_mlm(
    captions: Annotated[
        Path,
        typer.Argument(
            help="Text file with one caption on each line, or *.jsonl with `caption` or `captions` on each line.",
            exists=True,
            dir_okay=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the model; must not exist.")],
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 2000,
    batch: Annotated[int, typer.Option(min=1, help="Captions in a step.")] = 128,
    width: Annotated[int, typer.Option(min=8, help="Width of the network; a multiple of 4.")] = 128,
    layers: Annotated[int, typer.Option(min=1, help="Layers of the network.")] = 3,
    vocabulary: Annotated[int, typer.Option(min=4, help="At most so many words.")] = 12000,
    seed: Annotated[int, typer.Option(help="Of weights, masks and what is held out.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Of torch; 0 takes one for each core.")] = 0,
) -> None:
    """Train a small masked language model on captions, and measure it on captions it has not seen.

    \b
    Example:
      vilem train-mlm captions.txt -o ./mlm
      vilem scenes make corpus/ --count 2000 && vilem train-mlm corpus/train.jsonl -o ./mlm --steps 500
    """  # fmt: skip
    from rich.console import Console

    from models.negatives.corpus import read_captions
    from models.negatives.masked_lm import save_masked_lm
    from models.negatives.masked_training import MlmSettings, train_masked_lm

    if output.exists():
        raise typer.BadParameter(f"{output} exists: a model is never overwritten; remove it or give another --output")
    if width % 4:
        raise typer.BadParameter(f"--width {width} is no multiple of 4, the number of heads")
    _use_threads(threads)
    settings = MlmSettings(steps=steps, batch=batch, width=width, layers=layers, vocabulary=vocabulary, seed=seed)
    console = Console()
    with console.status("reading captions"):
        training = train_masked_lm(read_captions(captions), settings)
    _run(training, steps, console)
    report = training.measure()
    save_masked_lm(training.model(), output)
    _announce(report, output, console)


def _use_threads(threads: int) -> None:
    import torch

    if threads:
        torch.set_num_threads(threads)


def _run(training: "MlmTraining", steps: int, console: "Console") -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=steps)
        for step in training.run():
            left = (
                f"{step.seconds_left / 60:.0f} min left"
                if step.seconds_left > 90
                else f"{step.seconds_left:.0f} s left"
            )
            said = f"loss {step.loss:.3f}  {step.captions_per_s:.0f} captions/s  {left}"
            progress.update(task, completed=step.number, description=said)


def _announce(report: "MlmReport", output: Path, console: "Console") -> None:
    console.print(
        f"held-out masked words: {report.accuracy:.1%} right, perplexity {report.perplexity:.1f} "
        f"(by frequency alone: {report.unigram_accuracy:.1%}, {report.unigram_perplexity:.0f}; {report.words} words)"
    )
    size = sum(path.stat().st_size for path in output.iterdir())
    console.print(f"masked language model [bold]{output}[/], {size / 1e6:.1f} MB")
