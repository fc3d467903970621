"""`vilem eval`: what a bundle finds, and what it understands; on rendered scenes and on data sets of photographs."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vilem.cli.eval_compare import compare, seeds
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
    Seed,
    Skip,
    Variant,
    data_of,
    open_bundle,
    refuse_others,
    tell,
    watched,
    with_edits,
)
from vilem.cli.eval_words import words
from vilem.cli.refuse import refuse

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.evaluation.dataset import Dataset


class _Group(TyperGroup):
    """Commands, and `vilem eval BUNDLE` as the short form of `vilem eval retrieval BUNDLE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 # click's; its home depends on typer's version
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["retrieval", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    help="""Measure what a bundle finds and understands, through the same code that serves.

    \b
    Example:
      vilem eval scenes-s
      vilem eval scenes-s photos.tar --out report
    """,
)
app.command("words")(words)


class Pooling(StrEnum):
    """From the frames of a clip to one score (docs/video.md)."""

    mean = "mean"
    attention = "attention"


class Layout(StrEnum):
    """How a data set lies on disk (docs/evaluation.md)."""

    jsonl = "jsonl"
    webdataset = "webdataset"
    karpathy = "karpathy"
    coco = "coco"
    fine_grained = "fine-grained"


_CLIPS = 500
_TEMPERATURE = 0.1


@app.command("retrieval")
def evaluate(
    bundle: BundleName,
    data: Annotated[
        Path | None, typer.Argument(metavar="[SOURCE]", help="Data set, file or folder; left out: rendered scenes.")
    ] = None,
    scenes: Scenes = None,
    seed: MadeSeed = None,
    variant: Variant = "fp32",
    home: Home = HOME,
    edits: Annotated[
        bool,
        typer.Option(
            "--edits",
            help="Also compare captions with their false edits: those of rendered scenes, or a data set's `negatives`.",
        ),
    ] = False,
    make_edits: MakeEdits = False,
    masked_lm: MaskedLm = None,
    as_json: AsJson = False,
    layout: Annotated[Layout | None, typer.Option(help="How SOURCE lies on disk; left out: told by its looks.")] = None,
    split: Annotated[str | None, typer.Option(help="Which part (karpathy: test; else all).")] = None,
    images: Images = None,
    pool: Annotated[Path | None, typer.Option(help="fine-grained: file that lists the pool's pictures.")] = None,
    captions: Annotated[
        int | None, typer.Option(min=0, help="First captions of each picture (karpathy, coco: 5; else all); 0 = all.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=1, help="Also the mean over so many parts of the pictures: COCO 1K x 5 is 5.")
    ] = 1,
    skip_missing: Skip = False,
    out: Out = None,
) -> None:
    """Measure text-to-image and image-to-text retrieval.

    \b
    Example:
      vilem eval scenes-s --edits
      vilem eval retrieval clip photos.tar --out report
      vilem eval retrieval clip photos.tar --edits --make-edits --masked-lm ./mlm
      vilem eval retrieval clip dataset_coco.json --images coco --folds 5
    """
    from models.evaluation.layouts.files import Options

    of_source = {"--layout": layout, "--split": split, "--images": images, "--pool": pool, "--captions": captions}
    of_source |= {"--skip-missing": skip_missing, "--make-edits": make_edits}
    refuse_others(data, of_source, {"--scenes": scenes, "--seed": None if make_edits else seed})
    if not edits:
        refuse({"--make-edits": make_edits}, "it belongs to --edits; add that, or leave it out")
    if not make_edits:
        refuse({"--masked-lm": masked_lm}, "it belongs to --make-edits; add that, or leave it out")
    opened = open_bundle(bundle, home, variant)
    options = Options(split, tuple(images or ()), pool, captions, skip_missing)
    found = data_of(data, scenes, seed, options, layout.value if layout else None)
    found = with_edits(found, masked_lm, seed) if make_edits else found
    _measure(opened, found, variant, out, as_json=as_json, edits=edits, folds=folds)


@app.command("scenes")
def scenes_(
    bundle: BundleName,
    data: Annotated[
        Path | None, typer.Argument(metavar="[CORPUS]", help="JSONL or tar of `vilem scenes make`; left out: rendered.")
    ] = None,
    scenes: Scenes = None,
    seed: Seed = None,
    variant: Variant = "fp32",
    home: Home = HOME,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Compare each caption of a scene with its false edits: attributes, relations, counts; old and new combinations.

    \b
    Example:
      vilem eval scenes scenes-s --out report
      vilem eval scenes scenes-s corpus/test.jsonl
    """
    refuse_others(data, {}, {"--scenes": scenes, "--seed": seed})
    opened = open_bundle(bundle, home, variant)
    _measure(opened, data_of(data, scenes, seed), variant, out, as_json=as_json, edits=True, retrieval=False)


@app.command()
def sugarcrepe(
    bundle: BundleName,
    folder: Annotated[Path, typer.Argument(help="Folder with SugarCrepe's seven JSON files.")],
    images: Images = None,
    skip_missing: Skip = False,
    variant: Variant = "fp32",
    home: Home = HOME,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Compare captions with SugarCrepe's false ones: seven types and their macro mean.

    \b
    Example:
      vilem eval sugarcrepe clip sugarcrepe --images coco/val2017 --out report
    """
    from models.evaluation.layouts import open_dataset
    from models.evaluation.layouts.files import Options

    options = Options(images=tuple(images or ()), skip_missing=skip_missing)
    found = open_dataset(folder, options, "sugarcrepe")
    _measure(open_bundle(bundle, home, variant), found, variant, out, as_json=as_json, edits=True, retrieval=False)


@app.command()
def video(
    bundle: BundleName,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="[SOURCE]", help="MSR-VTT's folder, CSV or annotations; left out: rendered clips."),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, max=128, help="Frames of each clip, evenly spread.")] = 8,
    pool: Annotated[Pooling, typer.Option(help="Mean of the frames, or weighted by each text.")] = Pooling.mean,
    temperature: Annotated[
        float | None,
        typer.Option(min=1e-4, help="attention: high is the mean, low is the best frame alone [0.1]."),
    ] = None,
    clips: Annotated[
        int | None, typer.Option("--clips", min=1, help="Without SOURCE: how many held-out clips to render [500].")
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(min=1, max=20, help="Rendered clips: so many still scenes in turn, captions of one [1: moving]."),
    ] = None,
    seed: Seed = None,
    split: Annotated[
        str | None, typer.Option(help="1k-A, or one of the annotations' [1k-A if there, else test].")
    ] = None,
    videos: Annotated[
        list[Path] | None, typer.Option(help="Folder with the videos; give it again for another.")
    ] = None,
    captions: Annotated[int | None, typer.Option(min=0, help="First captions of each video [0 = all].")] = None,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out videos whose files are missing.")
    ] = False,
    variant: Variant = "fp32",
    home: Home = HOME,
    as_json: AsJson = False,
    out: Out = None,
) -> None:
    """Measure text-to-video and video-to-text retrieval, by the frames of each video.

    \b
    Example:
      vilem eval video scenes-s --frames 8
      vilem eval video clip MSRVTT --videos MSRVTT/videos/all --pool attention --out report
    """
    from models.evaluation.layouts import clips as rendered
    from models.evaluation.layouts import msrvtt
    from models.evaluation.layouts.files import Options
    from models.evaluation.video import FramePooling, measure_clips, posters

    if pool is Pooling.mean:
        refuse({"--temperature": temperature}, "it belongs to --pool attention; add that, or leave it out")
    of_source = {"--split": split, "--videos": videos, "--captions": captions, "--skip-missing": skip_missing}
    of_rendered = {"--clips": clips, "--shots": shots, "--seed": seed}
    refuse_others(data, of_source, of_rendered)
    opened = open_bundle(bundle, home, variant)
    if data:
        options = Options(split, tuple(videos or ()), captions=captions or 0, skip_missing=skip_missing)
        found = msrvtt.load(data, options)
    elif shots is None or shots == 1:
        found = rendered.load(clips or _CLIPS, seed or 0)
    else:
        found = rendered.load_cuts(clips or _CLIPS, seed or 0, shots)
    how = FramePooling(frames, pool.value, _TEMPERATURE if temperature is None else temperature)
    measured = measure_clips(opened, found, how, variant=variant, progress=watched(found.entries, "embedding"))
    tell(measured, posters(found), out, as_json=as_json)


for last in (compare, seeds):
    app.command()(last)


def _measure(
    bundle: "Bundle",
    data: "Dataset",
    variant: str,
    out: Path | None,
    *,
    as_json: bool,
    retrieval: bool = True,
    edits: bool = False,
    folds: int = 1,
) -> None:
    """Measure, print, and write the report where one is wanted."""
    from models.evaluation.measure import measure

    progress = watched(data.entries, "embedding")
    measured = measure(bundle, data, variant=variant, retrieval=retrieval, edits=edits, folds=folds, progress=progress)
    tell(measured, data, out, as_json=as_json)
