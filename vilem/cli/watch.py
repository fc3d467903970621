"""How a run looks while it trains: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from models.training.loop import Step

# where there is no terminal a line is kept for ever: in a file, or in the output of a job
SECONDS = 30.0


def watch(steps: "Iterable[Step]", first: int, of: int, console: "Console") -> "Iterator[Step]":
    """Show the steps of a run as they come, and its warnings; yields each after it was shown.

    Args:
        steps: of the run.
        first: steps that it had behind it.
        of: steps that it has in all.
        console: to show them on.
    """
    shown = _bar if console.is_terminal else _lines
    for step in shown(steps, first, of, console):
        for alarm in step.alarms:
            console.print(f"[yellow]warning[/], step {step.number}: {alarm}")
        yield step


def line(step: "Step") -> str:
    """One step in one line: loss and its parts, speed, time left."""
    parts = "  ".join(f"{name} {value:.3f}" for name, value in step.parts.items() if name != "total")
    left = f"{step.seconds_left / 60:.0f} min" if step.seconds_left >= 90 else f"{step.seconds_left:.0f} s"
    return f"loss {step.loss:.3f} ({parts})  {step.examples_per_s:.0f} pairs/s  {left} left"


def _bar(steps: "Iterable[Step]", first: int, of: int, console: "Console") -> "Iterator[Step]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), console=console) as progress:
        task = progress.add_task("starting", total=of, completed=first)
        for step in steps:
            progress.update(task, completed=step.number, description=line(step))
            yield step


def _lines(steps: "Iterable[Step]", first: int, of: int, console: "Console") -> "Iterator[Step]":
    last = float("-inf")
    for step in steps:
        if time.monotonic() - last >= SECONDS or step.number == of:
            last = time.monotonic()
            console.print(f"step {step.number}/{of}  {line(step)}", soft_wrap=True)
        yield step
