"""`vilem eval words`: which words of a false caption a bundle's proofreader finds, and what it puts there."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vilem.cli.eval_parts import (
    HOME,
    AsJson,
    BundleName,
    Home,
    Images,
    MadeSeed,
    MakeEdits,
    MaskedLm,
    Out,
    Scenes,
    Skip,
    data_of,
    open_bundle,
    refuse_others,
    tell,
    watched,
    with_edits,
)
from vilem.cli.refuse import refuse


class EditsLayout(StrEnum):
    """The layouts that hold false captions (docs/evaluation.md)."""

    jsonl = "jsonl"
    webdataset = "webdataset"
    sugarcrepe = "sugarcrepe"


def words(
    bundle: BundleName,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="[SOURCE]", help="Data set with `negatives`, or SugarCrepe; left out: rendered scenes."),
    ] = None,
    scenes: Scenes = None,
    seed: MadeSeed = None,
    home: Home = HOME,
    as_json: AsJson = False,
    layout: Annotated[
        EditsLayout | None, typer.Option(help="How SOURCE lies on disk; left out: told by its looks.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which part; left out: all.")] = None,
    images: Images = None,
    captions: Annotated[int | None, typer.Option(min=0, help="First captions of each picture [0 = all].")] = None,
    skip_missing: Skip = False,
    make_edits: MakeEdits = False,
    masked_lm: MaskedLm = None,
    out: Out = None,
) -> None:
    """Find the wrong words of false captions by the picture, and restore them; beside another picture as a control.

    \b
    Example:
      vilem eval words scenes-s --scenes 200
      vilem eval words scenes-s corpus/test.jsonl --out report
      vilem eval words clip-proof sugarcrepe --images coco/val2017
      vilem eval words clip-proof photos.tar --make-edits --out report
    """
    from models.evaluation.layouts.files import Options
    from models.evaluation.proofs import measure_words
    from models.proofreader import Proofreader

    of_source = {"--layout": layout, "--split": split, "--images": images, "--captions": captions}
    of_source |= {"--skip-missing": skip_missing, "--make-edits": make_edits}
    refuse_others(data, of_source, {"--scenes": scenes, "--seed": None if make_edits else seed})
    if not make_edits:
        refuse({"--masked-lm": masked_lm}, "it belongs to --make-edits; add that, or leave it out")
    opened = open_bundle(bundle, home)
    # before anything is rendered or read: a bundle without one is told at once
    reader = Proofreader.open(opened)
    options = Options(split, tuple(images or ()), captions=captions, skip_missing=skip_missing)
    found = data_of(data, scenes, seed, options, layout.value if layout else None)
    found = with_edits(found, masked_lm, seed) if make_edits else found
    tell(measure_words(opened, reader, found, watched), found, out, as_json=as_json)
