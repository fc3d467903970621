"""`vilem index reindex | rollback | generations | gc`: another model for a collection that is served."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.bar import bar
from vilem.cli.home import Home, home_of
from vilem.cli.index_plan import KindName, LatencyMs, Memory, Recall, budget_of, warn_of_shortfalls
from vilem.cli.index_videos import EVERY, MOMENTS, AnewEvery, AnewMoments, video_options
from vilem.cli.searcher import milvus_token
from vilem.cli.stopping import heed_supervisors, stoppable
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from index.reindex.job import ModelChange
    from index.reindex.report import Report, Retrieval
    from index.schema import CollectionInfo

_Name = Annotated[str, typer.Argument(help="Name of a collection.")]
_MaxLost = Annotated[int, typer.Option(min=0, help="Items that may be lost because their pictures cannot be read.")]
_Keep = Annotated[int, typer.Option(min=1, help="Generations to keep, the served one among them.")]
_Batch = Annotated[int, typer.Option(min=1, help="Images in one inference.")]


def reindex(
    name: _Name,
    model: Annotated[str, typer.Option(help="Bundle that shall serve it: one of home/bundles.")],
    home: Home = None,
    min_overlap: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least mean overlap of the 10 nearest with the old model's.")
    ] = None,
    max_loss: Annotated[
        float, typer.Option(min=0, help="Points of text-to-image R@1, R@5 and R@10 that may be lost, beside chance.")
    ] = 2.0,
    max_lost: _MaxLost = 0,
    force: Annotated[bool, typer.Option("--force", help="Take the new model whatever the comparison says.")] = False,
    batch: _Batch = 16,
    every: AnewEvery = None,
    moments: AnewMoments = None,
    recall: Recall = None,
    memory: Memory = None,
    latency_ms: LatencyMs = None,
    kind: KindName = None,
    keep: _Keep = 2,
) -> None:
    """Embed a collection anew with another model, and let that serve it, with no gap: docs/reindex.md.

    The old model is served until the new one has passed its checks; writes go on. Run it again to resume. What the options
    leave out of videos and of the index stays as it is.

    \b
    Examples:
      vilem index reindex photos --model vit-l-14
      vilem index reindex photos --model vit-l-14 --min-overlap 0.4 --max-loss 0
    """
    from index.collection import Collection
    from index.options import EmbedOptions
    from index.publish import wishes
    from index.reindex.job import ReindexOptions
    from index.reindex.start import reindex as change
    from models.bundle import Bundle, bundle_of, find_bundle

    folder = home_of(home)
    bundle = Bundle.open(find_bundle(model, folder))
    # before a day's work: where the service will look for it
    bundle_of(bundle.digest, bundle.manifest.name, folder)
    root = folder / "collections"
    collection = Collection.open(root, name)
    if collection.info.bundle_digest == bundle.digest:
        typer.echo(f"{name} is served by {bundle.manifest.name} already")
        return
    options = ReindexOptions(
        recall=recall,
        budget=budget_of(memory, latency_ms, kind, wishes(collection.path)[1]),
        min_overlap=min_overlap,
        max_loss=max_loss,
        max_lost=max_lost,
        force=force,
        keep=keep,
        embedding=EmbedOptions(image_batch=batch, videos=video_options(every or EVERY, moments or MOMENTS)),
        same_moments=every is None and moments is None,
        milvus_token=milvus_token(),
    )
    _run(change(root, name, bundle, options), root / name)


def rollback(
    name: _Name,
    home: Home = None,
    to: Annotated[str | None, typer.Option(help="Generation to go back to; by default the one served before.")] = None,
    max_lost: _MaxLost = 0,
    batch: _Batch = 16,
    recall: Recall = None,
    keep: _Keep = 2,
) -> None:
    """Let an older model serve a collection again, with everything that was written since.

    \b
    Examples:
      vilem index rollback photos
      vilem index rollback photos --to g0
    """
    from index.options import EmbedOptions
    from index.reindex.job import ReindexOptions
    from index.reindex.start import rollback as change
    from models.bundle import Bundle, bundle_of

    folder = home_of(home)
    options = ReindexOptions(
        recall=recall,
        max_lost=max_lost,
        keep=keep,
        embedding=EmbedOptions(image_batch=batch),
        milvus_token=milvus_token(),
    )

    def opened(info: "CollectionInfo") -> Bundle:
        return Bundle.open(bundle_of(info.bundle_digest, info.bundle_name, folder))

    root = folder / "collections"
    _run(change(root, name, opened, to, options), root / name)


def generations(name: _Name, home: Home = None) -> None:
    """List a collection's generations: the served one, those kept to go back to, those not finished.

    \b
    Example:
      vilem index generations photos
    """
    from index.reindex.start import generation_states

    rows = [
        (
            each.id,
            each.state,
            each.info.bundle_name,
            str(each.info.dim),
            f"{each.rows:,}",
            each.info.created_at,
            _measured(each.report),
        )
        for each in generation_states(home_of(home) / "collections", name)
    ]
    print_rows(("generation", "state", "model", "dimension", "items", "made", "measured"), rows)


def gc(
    name: _Name,
    home: Home = None,
    keep: _Keep = 2,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Drop changes of model that were begun, too.")
    ] = False,
) -> None:
    """Remove older generations of a collection, what killed jobs left, and old versions of its files that nobody needs.

    Small files are merged, too. Versions that a snapshot shows, that a job reads, or that were the newest within the last hour
    stay.

    \b
    Examples:
      vilem index gc photos --keep 1
      vilem index gc photos --unfinished
    """
    from index.collection import Collection
    from index.lease import GENERATIONS_LEASE_FILE, lease
    from index.maintenance import tidy
    from index.plan import human
    from index.reindex.garbage import collect
    from index.versions import remove_old_versions

    collection = Collection.open(home_of(home) / "collections", name)
    with lease(collection.home, "removing generations", file_name=GENERATIONS_LEASE_FILE):
        removed = collect(collection.home, keep=keep, drop_unfinished=unfinished, milvus_token=milvus_token())
        tidy(collection)
        freed = remove_old_versions(collection.latest())
    typer.echo(f"removed: {', '.join(removed) or 'nothing'}")
    if freed:
        typer.echo(f"old versions of files: {human(freed)} are free again")


def _run(job: "ModelChange", home: Path) -> None:
    """Follow a change of model of the collection in folder *home* to its end."""
    from index.generations import served_folder
    from index.publish import current
    from index.snapshot import read_manifest

    heed_supervisors()
    left = f"{home.name} is served as before; the same command goes on from there"
    try:
        with stoppable(lambda: left), job, bar() as tell:
            _follow(job, tell)
    finally:
        if job.report is not None:
            _print(job.report)
    typer.echo(f"{home.name} is served by {job.model}" + (f"; removed {', '.join(job.removed)}" if job.removed else ""))
    if job.aliases:
        typer.echo(job.aliases, err=True)
    warn_of_shortfalls(read_manifest(current(served_folder(home))))


def _follow(job: "ModelChange", tell: "Callable[[str, int, int], None]") -> None:
    """Show what the job does until its end."""
    said = ""
    for step in job:
        if step.progress is not None:
            done = step.progress.seen
            tell(step.doing, done, max(done, step.progress.total or 0))
        elif said != (step.note or step.doing):
            said = step.note or step.doing
            typer.echo(said, err=True)


def _print(report: "Report") -> None:
    old, new = report.old, report.new
    rows = [
        ("model", old.bundle_name, new.bundle_name),
        ("generation", old.generation, new.generation),
        ("dimension", str(old.dim), str(new.dim)),
        ("items", f"{old.rows:,}", f"{new.rows:,}"),
        ("recall@10 of the index", _figure(old.recall_at_10, 3), _figure(new.recall_at_10, 3)),
        *(
            (f"text to image R@{each.k}, of {report.captions:,} captions", f"{each.old:.1f}", _with_error(each))
            for each in report.retrieval
        ),
        (f"overlap@10, of {report.sampled:,} items", "", _figure(report.overlap_at_10, 3)),
        ("pictures that find themselves", "", f"{report.pictures - report.pictures_lost} of {report.pictures}"),
        ("items that are lost", "", f"{report.lost:,}"),
    ]
    print_rows((report.collection, "old", "new"), rows)
    if report.not_compared:
        typer.echo(f"not compared: {report.not_compared}")


def _measured(report: "Report | None") -> str:
    """In a line, what was measured when it took over."""
    if report is None:
        return ""
    recalls = [f"text to image R@{each.k} {each.old:.1f} → {each.new:.1f}" for each in report.retrieval[:1]]
    overlap = [] if report.overlap_at_10 is None else [f"overlap@10 {report.overlap_at_10:.2f}"]
    return ", ".join([*recalls, *overlap, *(["forced"] if report.forced else [])])


def _figure(value: float | None, places: int) -> str:
    return "not measured" if value is None else f"{value:.{places}f}"


def _with_error(each: "Retrieval") -> str:
    return f"{each.new:.1f} ({each.new - each.old:+.1f} ± {each.error:.1f})"
