"""`vilem eval compare` and `vilem eval seeds`: what reports say of each other."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vilem.cli.eval_parts import AsJson, print_table

Out = Annotated[Path | None, typer.Option(help="Folder for the same as JSON, Markdown and HTML.")]


def compare(
    a: Annotated[Path, typer.Argument(help="Report of model A: report.json or its folder.")],
    b: Annotated[Path, typer.Argument(help="Report of model B, on the same data.")],
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples of images.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal intervals.")] = 0,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Show for every figure how much B is above A, with a paired bootstrap interval; A and B are reports.

    \b
    Example:
      vilem eval plain photos.tar --out reports/plain
      vilem eval proofread photos.tar --out reports/proofread
      vilem eval compare reports/plain reports/proofread --out reports/both
    """
    from models.evaluation.compare import compare as compared
    from models.evaluation.compare_files import write_comparison
    from models.evaluation.report import read_report
    from models.evaluation.tables import comparison_table

    found = compared(read_report(a), read_report(b), resamples, seed)
    written = write_comparison(found, out) if out else []
    if as_json:
        typer.echo(found.model_dump_json())
        return
    for letter, model in (("A", found.a), ("B", found.b)):
        typer.echo(
            f"{letter}: {model.name} ({model.variant}), {model.digest[:12]}…" if model else f"{letter}: no bundle"
        )
    print_table(comparison_table(found))
    _say(written)


def seeds(
    reports: Annotated[list[Path], typer.Argument(help="Reports of two or more bundles of one recipe.")],
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Show the mean and standard deviation of every figure over seeds.

    \b
    Example:
      vilem eval seeds reports/seed0 reports/seed1 reports/seed2
    """
    from models.evaluation.compare import spread
    from models.evaluation.compare_files import write_spread
    from models.evaluation.report import read_report
    from models.evaluation.tables import spread_table

    if len(reports) < 2:
        raise typer.BadParameter("a spread needs two reports at least, of bundles trained with different seeds")
    read = [read_report(each) for each in reports]
    found = spread(read)
    written = write_spread(found, read, out) if out else []
    if as_json:
        typer.echo(json.dumps([each.model_dump() for each in found]))
        return
    print_table(spread_table(found))
    _say(written)


def _say(written: list[Path]) -> None:
    for path in written:
        typer.echo(path)
