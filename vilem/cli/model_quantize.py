"""`vilem model quantize`: int8 graphs for a bundle that is there."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.model_calibrate import pairs_of
from vilem.cli.refuse import refuse

# half of them tell scales; more change nothing in the third digit of a cosine
_PICTURES = 256


def quantize(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder, or a name that `vilem model list` shows.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the new bundle; must not exist.")],
    data: Annotated[
        Path | None, typer.Option(help="Pictures like those that it will see, as `vilem eval` reads them.")
    ] = None,
    images: Annotated[
        list[Path] | None, typer.Option(help="--data: folder with the pictures; give it again for another.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="--data: which part.")] = None,
    home: Home = None,
) -> None:
    """Copy a bundle, with graphs in int8 beside its own (needs the `train` extra).

    They are for CPUs that multiply bytes (VNNI); a service takes them with VILEM_VARIANT=auto or int8. The pictures tell the
    scales of an image tower's convolutions, and how near the vectors come to fp32's; without --data they are rendered scenes,
    which tell nothing of a model for photographs.

    \b
    Examples:
      vilem model quantize scenes-s -o bundles/scenes-s-int8
      vilem model quantize clip -o bundles/clip-int8 --data flickr8k
    """
    import numpy as np

    from models.bundle import Bundle, find_bundle
    from models.export.smaller import export_int8

    if data is None:
        refuse({"--images": images, "--split": split}, "they belong to --data; add it, or leave them out")
    if output.exists():
        raise typer.BadParameter(f"{output} exists: a bundle is never overwritten; remove it or choose another folder")
    opened = Bundle.open(find_bundle(bundle, home_of(home)))
    entries = pairs_of(data, images or [], split, _PICTURES, seed=0).entries
    pixels = np.stack([opened.prepare(each.read()) for each in islice(entries, _PICTURES)])
    manifest = export_int8(opened, output.resolve(), pixels)
    made = manifest.variants["int8"]
    cosines = f"images {made.image_cosine:.4f}, texts {made.text_cosine:.4f}"
    typer.echo(f"{output}: least cosine to fp32: {cosines}; digest {manifest.digest()}")
