"""What the commands of `vilem eval` share: their options, how a bundle is opened, how a report is told."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.refuse import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console
    from rich.table import Table as Drawn

    from models.bundle import Bundle
    from models.evaluation.dataset import Dataset, Entry
    from models.evaluation.layouts import Layout
    from models.evaluation.layouts.files import Options
    from models.evaluation.report import Report
    from models.evaluation.tables import Table

BundleName = Annotated[str, typer.Argument(help="A bundle's folder or name.")]
Home = Annotated[Path, typer.Option(envvar="VILEM_HOME", help="Folder with bundles/.")]
Variant = Annotated[str, typer.Option(help="Precision: fp32, fp16 or int8, where the bundle has it.")]
Out = Annotated[Path | None, typer.Option(help="Folder for report.json, report.md and report.html.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Images = Annotated[list[Path] | None, typer.Option(help="Folder with the pictures; give it again for another.")]
Skip = Annotated[bool, typer.Option("--skip-missing", help="Leave out pictures whose files are missing.")]
Scenes = Annotated[int | None, typer.Option("--scenes", min=1, help="How many held-out scenes to render [1000].")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of what is rendered [0].")]
MadeSeed = Annotated[int | None, typer.Option(min=0, help="Seed of what is rendered, or of --make-edits [0].")]
MakeEdits = Annotated[
    bool,
    typer.Option("--make-edits", help="Make the false captions that SOURCE lacks: of each caption one by each rule."),
]
MaskedLm = Annotated[
    Path | None,
    typer.Option(help="--make-edits: one more by this language model, a folder of `vilem train-mlm`; needs torch."),
]
HOME = Path("~/.local/share/vilem")
# rendered where no data set is named
_SCENES = 1000
# beyond any table of figures
_WIDEST = 100_000


def refuse_others(data: Path | None, of_source: "Mapping[str, object]", of_rendered: "Mapping[str, object]") -> None:
    """Refuse options of a data set without one, and of what is rendered with one."""
    if data is None:
        refuse(of_source, "they belong to a SOURCE; name one, or leave them out")
    else:
        refuse(of_rendered, "they belong to what is rendered when no SOURCE is given; leave them out, or SOURCE")


def open_bundle(bundle: str, home: Path, variant: str = "fp32") -> "Bundle":
    """Open a bundle by its folder, or by its name in *home*."""
    from models.bundle import Bundle, find_bundle

    return Bundle.open(find_bundle(bundle, home.expanduser()), variant=variant)


def data_of(
    data: Path | None,
    scenes: int | None,
    seed: int | None,
    options: "Options | None" = None,
    layout: "Layout | None" = None,
) -> "Dataset":
    """The data set that is named, or so many rendered scenes."""
    from models.evaluation.layouts import open_dataset
    from models.evaluation.layouts import scenes as rendered
    from models.evaluation.layouts.files import Options

    if data is None:
        return rendered.load(scenes or _SCENES, seed or 0)
    return open_dataset(data, options or Options(), layout)


def with_edits(data: "Dataset", masked_lm: Path | None, seed: int | None) -> "Dataset":
    """The data set with false captions made of its own, by rule and, where one is named, by a language model."""
    from models.evaluation.made_edits import with_made_edits

    if masked_lm is None:
        return with_made_edits(data, None, seed or 0)
    # here: what measures needs no torch, and a test of the layers says so
    from models.negatives.masked_lm import load_masked_lm

    return with_made_edits(data, load_masked_lm(masked_lm), seed or 0)


def watched(entries: "Sequence[Entry]", doing: str) -> "Iterable[Entry]":
    """The entries, and a bar that says what is done as they pass."""
    from rich.console import Console
    from rich.progress import track

    # for people: standard output carries the figures alone
    return track(entries, doing, console=Console(stderr=True), transient=True)


def tell(measured: "Report", data: "Dataset", out: Path | None, *, as_json: bool) -> None:
    """Print a report, and write it where that is wanted; *data* has its pictures."""
    from rich.console import Console

    from models.evaluation.files import write_report

    written = write_report(measured, data, out) if out else []
    if as_json:
        typer.echo(json.dumps({**measured.metrics(), "truncated": measured.truncated}))
        return
    show(measured, Console())
    for path in written:
        typer.echo(path)


def show(measured: "Report", console: "Console") -> None:
    """Print a report's tables, and what a reader must know of it."""
    from models.evaluation.markdown import warnings
    from models.evaluation.tables import tables

    for table in tables(measured):
        print_table(table, console)
    for warning in warnings(measured):
        console.print(warning, markup=False, highlight=False)


def print_table(table: "Table", console: "Console | None" = None) -> None:
    """Print a table whole: into files and pipes as wide as it is, on a narrower terminal in broken lines."""
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(title=Text(table.title), title_justify="left")
    for place, heading in enumerate(table.columns):
        # never cut: half a figure is another one
        drawn.add_column(Text(heading), justify="right" if place else "left", overflow="fold")
    for row in table.rows:
        # texts, not markup: names of groups come from data sets
        drawn.add_row(*(Text(cell) for cell in row))
    console = console or Console()
    if not console.is_terminal:
        # nothing that reads them has a width: 80 is only what is assumed then
        console.width = max(console.width, _width(drawn, console))
    console.print(drawn)


def _width(drawn: "Drawn", console: "Console") -> int:
    """Columns of characters that a table takes when no line is broken."""
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(max_width=_WIDEST), drawn).maximum
