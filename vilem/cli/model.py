"""`vilem model`: bundles."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.model_calibrate import calibrate
from vilem.cli.model_quantize import quantize
from vilem.cli.model_threshold import threshold
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    from pydantic import JsonValue

app = typer.Typer(help="Inspect, check, calibrate and make model bundles.", no_args_is_help=True)
app.command("calibrate")(calibrate)
app.command("quantize")(quantize)
app.command("threshold")(threshold)


class Precision(StrEnum):
    """Of a bundle's graphs."""

    fp16 = "fp16"
    int8 = "int8"


Reference = Annotated[str, typer.Argument(help="A bundle's folder, or a name that `vilem model list` shows.")]


@app.command("list")
def list_(home: Home = None) -> None:
    """List the bundles at hand.

    \b
    Example:
      vilem model list
    """
    from models.bundle import list_bundles
    from models.errors import BundleError
    from models.manifest import read_manifest

    rows: list[tuple[str, ...]] = []
    for folder in list_bundles(home_of(home)):
        try:
            manifest = read_manifest(folder)
        except BundleError as error:
            # one that is damaged does not hide the others
            rows.append((folder.name, "?", "?", str(error)))
            continue
        rows.append((folder.name, str(manifest.dim), ", ".join(manifest.variants), str(folder)))
    print_rows(("bundle", "d", "variants", "folder"), rows)


@app.command()
def inspect(bundle: Reference, home: Home = None) -> None:
    """Show what a bundle says of itself.

    \b
    Example:
      vilem model inspect scenes-s
    """
    from models.bundle import find_bundle
    from models.manifest import read_manifest

    manifest = read_manifest(find_bundle(bundle, home_of(home)))
    image, text, made = manifest.preprocess, manifest.text, manifest.provenance
    rows = [
        ("digest", manifest.digest()),
        ("dimension", str(manifest.dim)),
        ("image", f"{image.size} px, {image.resize}, {image.interpolation}"),
        ("text", f"{text.context_length} tokens, {'causal' if text.causal else 'not causal'}, cleaning: {text.clean}"),
        ("logit scale", f"{manifest.logit_scale:.2f}"),
        ("architecture", made.architecture),
        ("weights", made.pretrained if made.recipe is None else f"trained by recipe {made.recipe[:12]}…"),
        ("bytes", f"{sum(seal.size for seal in manifest.files.values()):,}"),
    ]
    for name, variant in manifest.variants.items():
        cosines = f"cosine to fp32: images {variant.image_cosine:.5f}, texts {variant.text_cosine:.5f}"
        rows.append((f"variant {name}", cosines))
    if manifest.proofreader is not None:
        # at 0 `rerank: "proofread"` changes no order
        rows.append(("proofreader, weight of re-ranking", f"{manifest.proofreader.calibration.alpha:.4f}"))
        rows.append(("proofreader, a word is wrong above", f"{manifest.proofreader.calibration.threshold:.4f}"))
    rows += [(f"graphs to torch, {key}", f"{value:.1e}") for key, value in _parity(made.notes).items()]
    rows += [(name, f"{value:.4f}") for name, value in made.metrics.items()]
    print_rows(("bundle", manifest.name), rows)


@app.command()
def verify(bundle: Reference, home: Home = None) -> None:
    """Compare every file of a bundle with its SHA-256, and run it once.

    \b
    Example:
      vilem model verify scenes-s
    """
    from models.bundle import Bundle, find_bundle

    opened = Bundle.open(find_bundle(bundle, home_of(home)))
    opened.embed_texts(["a red circle"])
    typer.echo(f"{opened.manifest.name}: whole, digest {opened.digest}")


@app.command()
def export(
    architecture: Annotated[
        str, typer.Argument(help="open_clip's name (ViT-B-32), a configuration NAME.json, or local-dir:FOLDER.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the bundle; must not exist.")],
    pretrained: Annotated[
        str, typer.Option(help="open_clip tag, FILE.pt, FILE.safetensors, or none for random weights.")
    ] = "none",
    variant: Annotated[list[Precision] | None, typer.Option(help="Precision beside fp32; may be repeated.")] = None,
    text_files: Annotated[
        Path | None, typer.Option(help="Folder with the text tower's Hugging Face files, in place of a hub's.")
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Tag whose image preparation weights from a file need.", metavar="TAG")
    ] = None,
) -> None:
    """Make a bundle of any open_clip model (needs the `train` extra).

    \b
    Examples:
      vilem model export ViT-B-32 --pretrained laion2b_s34b_b79k -o bundles/vit-b-32 --variant fp16
      vilem model export ViT-B-32 --pretrained my.safetensors -o bundles/mine
      vilem model export ViT-B-16-SigLIP --pretrained my.pt --text-files siglip/ -o bundles/siglip
    """
    from models.export.from_open_clip import export_open_clip
    from models.manifest import is_bundle_name

    if output.exists():
        raise typer.BadParameter(f"{output} exists: a bundle is never overwritten; remove it or choose another folder")
    if not is_bundle_name(output.resolve().name):
        raise typer.BadParameter(
            f"{output}: the folder names the bundle; use letters, digits, dot, dash and underscore"
        )
    chosen: list[Literal["fp32", "fp16", "int8"]] = [each.value for each in variant or []]
    manifest = export_open_clip(
        architecture, pretrained, output.resolve(), variants=chosen, text_files=text_files, like=like
    )
    typer.echo(f"{output}: d={manifest.dim}, variants {', '.join(manifest.variants)}, digest {manifest.digest()}")


def _parity(notes: "dict[str, JsonValue]") -> dict[str, float]:
    """The greatest difference between graph and torch of each tower, where the export wrote it down."""
    found = notes.get("parity")
    return {key: value for key, value in found.items() if isinstance(value, float)} if isinstance(found, dict) else {}
