"""`vilem model calibrate`: what a bundle's cosines mean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.refuse import refuse
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.evaluation.dataset import Dataset
    from models.evaluation.matching import MatchedTexts
    from models.matching import Matching

# thousands of pairs for two numbers
_SCENES = 1000
_ITEMS = 2000


def calibrate(
    bundle: Annotated[
        str | None, typer.Argument(help="A bundle's folder or name; left out with --collection.", show_default=False)
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="Fit on the captions of this collection, for it alone.", metavar="NAME")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Fit on a data set of pictures and captions, as `vilem eval` reads them.")
    ] = None,
    images: Annotated[
        list[Path] | None, typer.Option(help="--data: folder with the pictures; give it again for another.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="--data: which part; one that was not trained on.")] = None,
    scenes: Annotated[
        int | None, typer.Option(min=50, help="Without --data: how many held-out scenes to render [1000].")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 0,
    home: Home = None,
) -> None:
    """Fit the probability that a text belongs to an image, from which `min_score` of a search is told.

    It is written to matching.json in the bundle's folder, or in the collection's, in the place of what was there. Neither
    vectors nor the bundle's digest change: collections stay as they are.

    \b
    Examples:
      vilem model calibrate scenes-s
      vilem model calibrate clip --data photos.tar
      vilem model calibrate --collection photos
    """
    from models.evaluation.matching import fit_matching
    from models.matching import write_matching

    if (bundle is None) == (collection is None):
        raise typer.BadParameter("name a bundle, or a collection with --collection, and not both")
    if data is None:
        refuse({"--images": images, "--split": split}, "they belong to --data; add it, or leave them out")
    folder = home_of(home)
    if collection is not None:
        refuse({"--data": data, "--scenes": scenes}, "with --collection its own captions are taken")
        model, place, found, source = _of_collection(folder, collection, seed)
    else:
        if data is not None:
            refuse({"--scenes": scenes}, "with --data nothing is rendered")
        model, place, found, source = _of_bundle(folder, bundle or "", data, images or [], split, scenes, seed)
    made = fit_matching(found, bundle_digest=model.digest, source=source, seed=seed)
    write_matching(place, made)
    _tell(model, place, made)


def _of_collection(home: Path, name: str, seed: int) -> "tuple[Bundle, Path, MatchedTexts, str]":
    from index.captioned import captioned
    from index.collection import Collection
    from index.text_model import text_model
    from models.bundle import Bundle, bundle_of
    from models.evaluation.matching import matched_texts

    opened = Collection.open(home / "collections", name)
    answering = text_model(opened.path, opened.info)
    model = Bundle.open(bundle_of(answering.bundle_digest, answering.bundle_name, home))
    vectors, captions = captioned(opened, _ITEMS, seed)
    found = matched_texts(model, vectors, captions, seed)
    return model, opened.path, found, f"collection {name} version {opened.version}, {len(captions):,} items"


def _of_bundle(
    home: Path, bundle: str, data: Path | None, images: list[Path], split: str | None, scenes: int | None, seed: int
) -> "tuple[Bundle, Path, MatchedTexts, str]":
    from dataclasses import replace

    from models.bundle import Bundle, find_bundle
    from models.evaluation.embed import embed
    from models.evaluation.matching import matched_texts

    model = Bundle.open(find_bundle(bundle, home))
    dataset = pairs_of(data, images, split, scenes, seed)
    # texts are embedded once each, and pictures that say nothing not at all
    entries = [each for each in dataset.entries if each.captions]
    bare = [replace(each, captions=(), labels=(), edits=()) for each in entries]
    vectors = embed(model, bare).images
    found = matched_texts(model, vectors, [each.captions for each in entries], seed)
    return model, model.path, found, f"{dataset.source}{f', {dataset.split}' if dataset.split else ''}"


def pairs_of(data: Path | None, images: list[Path], split: str | None, scenes: int | None, seed: int) -> "Dataset":
    """The data set that was named, or so many rendered scenes."""
    from models.evaluation.layouts import open_dataset
    from models.evaluation.layouts import scenes as rendered
    from models.evaluation.layouts.files import Options

    if data is not None:
        return open_dataset(data, Options(split, tuple(images)))
    # neither what models are trained on nor what they are judged by
    return rendered.load(scenes or _SCENES, seed, "val")


def _tell(model: "Bundle", place: Path, made: "Matching") -> None:
    rows = [
        ("written", str(place)),
        ("fitted on", f"{made.source}: {made.matched:,} pairs that belong together, {made.unmatched:,} that do not"),
        ("even odds at", f"cosine {made.cosine(0.5):.3f}"),
        ("calibration error", f"{made.error:.4f}"),
    ]
    rows += [(f"probability {chance}", f"cosine {made.cosine(chance):.3f}") for chance in (0.1, 0.9)]
    print_rows(("model", model.manifest.name), rows)
