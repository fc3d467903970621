"""`vilem distill-text`: a new text tower for an index that stays, from captions alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.home import Home, home_of

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from index.collection import Collection
    from models.bundle import Bundle
    from models.evaluation.agreement import Agreement
    from models.manifest import Provenance
    from models.training.text_pairs import TextPairs
    from models.training.text_session import TextPlan, TextSession

_HELD_OUT = 1000
_SHARE = 10

Captions = Annotated[
    Path | None,
    typer.Option(
        help="Text file with one caption on each line, or *.jsonl with `caption` or `captions` on each line.",
        exists=True,
        dir_okay=False,
    ),
]
Translations = Annotated[
    Path | None,
    typer.Option(
        help="Lines of caption, tab, translation: the teacher reads the one and the new tower the other.",
        exists=True,
        dir_okay=False,
    ),
]
Pictures = Annotated[
    str | None,
    typer.Option(
        help="Collection of the teacher's: hits are compared on its pictures, and where neither --captions nor "
        "--translations are given its captions are learnt."
    ),
]
Context = Annotated[int | None, typer.Option(min=3, help="Most tokens of a text.", show_default="the teacher's")]
HeldOut = Annotated[
    int | None, typer.Option(min=1, help="Captions to measure on.", show_default="a tenth, at most 1,000")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the bundle [HOME/bundles/NAME].")]


def distill_text(
    teacher: Annotated[str, typer.Argument(help="Bundle whose text tower is imitated: a folder, or a name.")],
    name: Annotated[str, typer.Argument(help="Name of the new bundle.")],
    captions: Captions = None,
    translations: Translations = None,
    collection: Pictures = None,
    layers: Annotated[int, typer.Option(min=1, help="Layers of the new tower.")] = 4,
    width: Annotated[int, typer.Option(min=2, help="Its width; a multiple of --heads.")] = 256,
    heads: Annotated[int, typer.Option(min=1, help="Its heads.")] = 4,
    context: Context = None,
    vocabulary: Annotated[int, typer.Option(min=259, help="Most entries of the tokenizer that is learnt.")] = 8192,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 5000,
    batch: Annotated[int, typer.Option(min=2, help="Captions in a step.")] = 256,
    rate: Annotated[float, typer.Option(min=1e-9, help="Highest learning rate.")] = 1e-3,
    held_out: HeldOut = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and what is held out.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Of torch; 0 takes one for each core.")] = 0,
    output: Output = None,
    work: Annotated[Path | None, typer.Option(help="Folder for the checkpoint [HOME/training/NAME].")] = None,
    home: Home = None,
) -> None:
    """Teach a new text tower to say what a bundle's says, and seal it beside the bundle's image side.

    No picture is read and none is embedded again: `vilem index text-model` lets the new bundle answer for collections of the
    old one. A run that was stopped goes on from its checkpoint when the same command is given again.

    \b
    Examples:
      vilem distill-text vit-b-32 small --captions captions.txt --collection photos
      vilem distill-text vit-b-32 german --translations en-de.tsv --context 96
    """
    from rich.console import Console

    from models.bundle import Bundle, find_bundle
    from models.manifest import is_bundle_name
    from models.training.recipe import OptimPart
    from models.training.text_session import TextPlan, TextSession, TextSize

    folder = home_of(home)
    target = output or folder / "bundles" / name
    if target.exists():
        raise typer.BadParameter(f"{target} exists: a bundle is never overwritten; remove it or give --output")
    if not is_bundle_name(name):
        raise typer.BadParameter(f"{name!r} cannot name a bundle: use letters, digits, '.', '_' and '-'")
    if width % heads:
        raise typer.BadParameter(f"--width {width} is no multiple of --heads {heads}")
    _use_threads(threads)
    bundle = Bundle.open(find_bundle(teacher, folder))
    pictures = None if collection is None else _collection(folder, collection, bundle)
    pairs = _pairs(captions, translations, pictures)
    size = TextSize(
        context_length=context or bundle.manifest.text.context_length,
        vocabulary=vocabulary,
        width=width,
        heads=heads,
        layers=layers,
    )
    optim = OptimPart(steps=steps, batch=batch, learning_rate=rate, weight_decay=0.05, warmup=0.05)
    measured_on = held_out or min(_HELD_OUT, max(1, len(pairs) // _SHARE))
    plan = TextPlan(name=name, seed=seed, held_out=measured_on, text=size, optim=optim)
    session = TextSession(bundle, pairs, plan, work or folder / "training" / name)
    console = Console()
    _run(session, plan, console)
    _seal(session, plan, bundle, pictures, target, console)


def _use_threads(threads: int) -> None:
    import torch

    if threads:
        torch.set_num_threads(threads)


def _collection(home: Path, name: str, teacher: "Bundle") -> "Collection":
    from index.collection import Collection
    from index.errors import BundleMismatch

    opened = Collection.open(home / "collections", name)
    if opened.info.bundle_digest != teacher.digest:
        raise BundleMismatch(
            f"collection {name} was embedded by bundle {opened.info.bundle_name} ({opened.info.bundle_digest[:12]}…): "
            f"let that one teach, {teacher.manifest.name} knows nothing of its vectors"
        )
    return opened


def _pairs(captions: Path | None, translations: Path | None, pictures: "Collection | None") -> "TextPairs":
    from models.negatives.corpus import read_captions
    from models.training.text_pairs import read_translations, text_pairs

    plain: list[str] = []
    if captions is not None:
        plain = read_captions(captions)
    elif translations is None and pictures is not None:
        plain = [
            text for texts in pictures.items.to_table(columns=["captions"])["captions"].to_pylist() for text in texts
        ]
    elif translations is None:
        raise typer.BadParameter("there is nothing to learn from: give --captions, --translations or --collection")
    # the bundle cleans queries as CLIP does
    return text_pairs(plain, [] if translations is None else read_translations(translations), "lower")


def _run(session: "TextSession", plan: "TextPlan", console: "Console") -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console.print(f"{len(session.learnt):,} captions to learn from, {len(session.held_out):,} held out")
    if cut := session.cut():
        console.print(
            f"[yellow]note[/]: {cut:.1%} of them are longer than {plan.text.context_length} tokens: raise --context"
        )
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=plan.optim.steps)
        for step in session.run():
            said = f"1 - cosine {step.loss:.3f}  {step.seconds_left:.0f} s left"
            progress.update(task, completed=step.number, description=said)


def _seal(
    session: "TextSession",
    plan: "TextPlan",
    teacher: "Bundle",
    pictures: "Collection | None",
    target: Path,
    console: "Console",
) -> None:
    """Measure what was trained, and write it as a bundle."""
    from models.evaluation.agreement import agreement
    from models.export.text_tower import export_text_tower

    with console.status("measuring"):
        count = 0 if pictures is None else pictures.count()
        measured = agreement(*session.answers(), _vectors(pictures), count)
    with console.status("exporting"):
        manifest = export_text_tower(
            session.finished(),
            session.student.tokenizer_json,
            teacher,
            name=plan.name,
            output=target,
            text=session.student.text,
            provenance=_provenance(session, plan, teacher, measured),
        )
    console.print(_said(measured))
    if teacher.manifest.proofreader is not None:
        console.print("the proofreader is left out: it reads the text tower that was replaced")
    size = sum(manifest.files[name].size for name in manifest.files if name.startswith("text."))
    console.print(f"bundle [bold]{target}[/], text tower {size / 1e6:.1f} MB")
    console.print(
        f"`vilem index text-model COLLECTION --model {plan.name}` lets it answer for what {teacher.manifest.name} embedded"
    )


def _vectors(pictures: "Collection | None") -> "Iterator[np.ndarray]":
    from index.vectors import unit

    if pictures is not None:
        yield from (unit(vectors) for _, vectors in pictures.item_vectors())


def _provenance(session: "TextSession", plan: "TextPlan", teacher: "Bundle", measured: "Agreement") -> "Provenance":
    from models.manifest import Provenance

    old = teacher.manifest
    text = plan.text
    return Provenance(
        architecture=f"image side of: {old.provenance.architecture}; causal text transformer {text.layers} x {text.width}",
        pretrained=f"bundle {old.name}, SHA-256 {teacher.digest}",
        recipe=session.digest,
        data_digest=session.data_digest,
        metrics=measured.metrics(),
        notes={
            "teacher": {"name": old.name, "digest": teacher.digest, "space": old.space_digest()},
            "plan": plan.model_dump(mode="json"),
            "captions": len(session.learnt),
        },
    )


def _said(measured: "Agreement") -> str:
    said = f"on {measured.texts:,} held-out captions: cosine to the teacher {measured.cosine:.3f} (least {measured.least:.3f})"
    if (hits := measured.hits) is None:
        return said
    return (
        f"{said}; {hits.shared:.1%} of the first {hits.k} of {hits.images:,} pictures are the teacher's "
        f"(by chance {hits.k / hits.images:.1%})"
    )
