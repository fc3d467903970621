"""`vilem scenes`: the rendered corpus."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Render scenes with captions and hard negatives.", no_args_is_help=True)


class Split(StrEnum):
    """Which scenes: no scene is in two splits."""

    train = "train"
    val = "val"
    test = "test"


class Format(StrEnum):
    """How a corpus lies on disk."""

    jsonl = "jsonl"
    webdataset = "webdataset"


@app.command()
def make(
    out: Annotated[Path, typer.Argument(help="Folder to write into.")],
    count: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 1000,
    split: Annotated[Split, typer.Option(help="Which split's scenes.")] = Split.train,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds make equal scenes.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side in pixels.")] = 128,
    layout: Annotated[Format, typer.Option("--format", help="PNG files and one JSONL, or tar shards.")] = Format.jsonl,
) -> None:
    """Write a corpus: pictures, five captions each, object boxes, hard negative captions.

    \b
    Example:
      vilem scenes make scenes --split test --count 1000
    """
    from rich.progress import track

    from models.scenes.corpus import write_jsonl, write_webdataset

    write = write_jsonl if layout == Format.jsonl else write_webdataset
    for _ in track(write(out, split.value, count, seed, size), "rendering", total=count):
        pass
    if layout == Format.jsonl:
        typer.echo(f"{out / f'{split.value}.jsonl'}: `vilem index build scenes` takes it, with --model scenes-s")


@app.command()
def show(
    out: Annotated[Path, typer.Argument(help="PNG file to write, e.g. sheet.png.", dir_okay=False)],
    count: Annotated[int, typer.Option(min=1, max=400, help="How many scenes.")] = 48,
    split: Annotated[Split, typer.Option(help="Which split's scenes.")] = Split.test,
    seed: Annotated[int, typer.Option(min=0, help="Which corpus.")] = 0,
) -> None:
    """Draw a contact sheet, and print the first caption of each scene.

    \b
    Example:
      vilem scenes show sheet.png --count 12
    """
    from PIL import Image

    from models.scenes.corpus import generate

    columns = min(count, 8)
    side, gap = 128, 4
    rows = -(-count // columns)
    sheet = Image.new("RGB", (columns * (side + gap), rows * (side + gap)), "white")
    for place, each in enumerate(generate(split.value, count, seed, side)):
        sheet.paste(Image.fromarray(each.image), (place % columns * (side + gap), place // columns * (side + gap)))
        typer.echo(f"{each.id}  {each.captions[0]}")
    sheet.save(out, "PNG")
