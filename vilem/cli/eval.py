"""`vilem eval`: retrieval figures of a bundle."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from models.evaluation.report import Report


def evaluate(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder or name.")],
    data: Annotated[
        Path | None, typer.Argument(help="JSONL with `path` and `captions` on each line; left out: rendered scenes.")
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="How many held-out scenes, when no data is given.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of those scenes.")] = 0,
    variant: Annotated[str, typer.Option(help="Precision: fp32, fp16 or int8, where the bundle has it.")] = "fp32",
    home: Annotated[Path, typer.Option(envvar="VILEM_HOME", help="Folder with bundles/.")] = Path(
        "~/.local/share/vilem"
    ),
    edits: Annotated[
        bool, typer.Option("--edits", help="Rendered scenes: also compare each caption with its false edits.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Measure text-to-image and image-to-text recall, through the same code that serves.

    \b
    Example:
      vilem eval scenes-s --edits
      vilem eval ~/bundles/clip flickr8k/test.jsonl --variant int8
    """
    from rich.console import Console

    from models.bundle import Bundle, find_bundle
    from models.evaluation.compositional import scene_edits
    from models.evaluation.layouts import embed, jsonl
    from models.evaluation.layouts import scenes as rendered
    from models.evaluation.report import report

    if edits and data:
        raise typer.BadParameter("--edits needs rendered scenes, whose edits are known: leave the data set out")
    opened = Bundle.open(find_bundle(bundle, home.expanduser()), variant=variant)
    found = embed(opened, jsonl(data) if data else rendered(scenes, seed))
    measured = report(found.images, found.texts, found.owners, found.labels)
    told = scene_edits(opened, scenes, seed) if edits else {}
    if as_json:
        shares = {f"edits.{kind}": round(each.share, 4) for kind, each in told.items()}
        typer.echo(json.dumps({**measured.metrics(), **shares, "truncated": found.truncated}))
        return
    show(measured, Console())
    for kind, each in told.items():
        typer.echo(f"prefers the true caption, {kind}: {each.share:.1%} of {each.pairs:,} pairs (chance 50 %)")
    if found.truncated:
        typer.echo(f"{found.truncated} captions were longer than the model's context and lost their end")


def show(measured: "Report", console: "Console") -> None:
    """Print a report as a table, in percent."""
    from rich.table import Table

    table = Table(title=f"{measured.images:,} images, {measured.captions:,} captions")
    for heading in ("", "captions", "R@1", "R@5", "R@10"):
        table.add_column(heading, justify="left" if not heading else "right")
    rows = [
        ("text→image", measured.captions, measured.whole.text_to_image),
        ("image→text", measured.captions, measured.whole.image_to_text),
        *((f"text→image, {label}", group.captions, group.text_to_image) for label, group in measured.groups.items()),
    ]
    for name, captions, recalls in rows:
        table.add_row(name, f"{captions:,}", *(f"{100 * value:.1f} %" for value in recalls.values()))
    console.print(table)
