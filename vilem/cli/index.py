"""`vilem index`: from files to a published collection."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.index_audit import audit
from vilem.cli.index_duplicates import duplicates
from vilem.cli.index_engine import Address, Engine, EngineName, Workers, job_on
from vilem.cli.index_fields import InferFields, fields, settle
from vilem.cli.index_items import EXIT_WITH_REJECTS, delete, upsert
from vilem.cli.index_plan import (
    DeviceName,
    KindName,
    LatencyMs,
    Memory,
    QueriesFile,
    Recall,
    embedded,
    explain,
    plan,
    publish_within,
)
from vilem.cli.index_push import engine_rows, push
from vilem.cli.index_reindex import gc, generations, reindex, rollback
from vilem.cli.index_videos import EVERY, MOMENTS, Every, Moments, video_options
from vilem.cli.stopping import heed_supervisors, stoppable
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    from index.collection import Collection
    from index.embed import EmbedJob
    from index.progress import Progress, Summary
    from index.snapshot import SnapshotManifest
    from models.bundle import Bundle

app = typer.Typer(help="Build and inspect collections.", no_args_is_help=True)

Patches = Annotated[
    bool | None,
    typer.Option(
        "--patches/--no-patches",
        help="Store what the bundle's proofreader reads of each picture (at most 10 KB): words can then be checked, "
        "and hits re-ranked, without decoding it again. Made for rows that lack it too.",
        show_default="on if the bundle has a proofreader",
    ),
]
Name = Annotated[str, typer.Argument(help="Name of a collection.")]


@app.command()
def build(
    name: Name,
    source: Annotated[str, typer.Argument(help="Folder, JSONL/CSV/Parquet table, or WebDataset tar; path or URL.")],
    model: Annotated[str, typer.Option(help="Bundle: a folder, or a name `vilem model list` shows.")],
    home: Home = None,
    root: Annotated[str | None, typer.Option(help="Folder that a table's relative paths start from.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images in one inference.")] = 16,
    max_pixels: Annotated[int, typer.Option(min=1, help="Larger pictures are rejected.")] = 100_000_000,
    patches: Patches = None,
    every: Every = EVERY,
    moments: Moments = MOMENTS,
    recall: Recall = None,
    memory: Memory = None,
    latency_ms: LatencyMs = None,
    kind: KindName = None,
    queries: QueriesFile = None,
    device: DeviceName = "auto",
    infer_fields: InferFields = True,
    engine: Engine = EngineName.PLAIN,
    address: Address = None,
    workers: Workers = None,
) -> None:
    """Embed pictures and videos into a collection and publish it. Run it again to resume or to add what is new.

    Exit status: 0 all indexed, 3 published but some pictures were rejected (`vilem index rejects NAME`), 1 failed, 130 stopped.

    \b
    Examples:
      vilem index build photos ~/Pictures --model scenes-s
      vilem index build shop products.csv --model vit-b-32 --root /srv/pictures
      vilem index build web s3://corpus/train-{000..127}.tar --model vit-b-32 --engine ray --address auto
    """
    from index.errors import SourceError
    from index.options import EmbedOptions
    from index.sources import open_source
    from models.bundle import Bundle, find_bundle
    from models.decode import DecodeLimits

    folder = home_of(home)
    embed = job_on(engine, address, workers)
    items = open_source(source, root=root)
    bundle = Bundle.open(find_bundle(model, folder))
    collections = folder / "collections"
    limits, videos = DecodeLimits(max_pixels=max_pixels), video_options(every, moments)
    options = EmbedOptions(image_batch=batch, limits=limits, patches=patches, videos=videos)
    heed_supervisors()
    with stoppable(lambda: _safe(collections, name)):
        collection = _collection(collections, name, bundle)
        # before hours of embedding: the file may be no text
        asked = embedded(queries, collection, folder, bundle)
        with embed(collection, items, bundle, options) as job:
            _follow(job)
        if not job.summary.seen:
            raise SourceError(f"there are no pictures in {source}: is it the right place?")
        if not collection.latest().count():
            seen = f"{job.summary.seen:,}"
            raise SourceError(f"none of {seen} items could be indexed: `vilem index rejects {name}` says why")
        if infer_fields:
            settle(collection, name)
        manifest = publish_within(collection.latest(), recall, memory, latency_ms, kind, device, asked)
    _print_summary(name, job.summary, manifest)
    if job.summary.rejected:
        typer.echo(f"`vilem index rejects {name}` lists what was rejected, and why")
        raise typer.Exit(EXIT_WITH_REJECTS)


@app.command()
def publish(
    name: Name,
    home: Home = None,
    recall: Recall = None,
    memory: Memory = None,
    latency_ms: LatencyMs = None,
    kind: KindName = None,
    queries: QueriesFile = None,
    device: DeviceName = "auto",
) -> None:
    """Index a collection's rows anew and make that what is served.

    \b
    Examples:
      vilem index publish photos
      vilem index publish photos --recall 0.9
      vilem index publish photos --memory 700MB --latency-ms 5
      vilem index publish photos --queries asked.txt
    """
    from index.collection import Collection

    folder = home_of(home)
    collection = Collection.open(folder / "collections", name)
    asked = embedded(queries, collection, folder)
    manifest = publish_within(collection, recall, memory, latency_ms, kind, device, asked)
    typer.echo(f"published {manifest.id}: {manifest.images.rows} items, {manifest.images.factory}")


@app.command("list")
def list_(home: Home = None) -> None:
    """List the collections.

    \b
    Example:
      vilem index list
    """
    from index.collection import list_collections

    root = home_of(home) / "collections"
    if root.exists():
        # a folder that may not be read would look like one without collections
        os.scandir(root).close()
    print_rows(("collection", "items", "model", "published"), [_listed(root, name) for name in list_collections(root)])


@app.command()
def show(name: Name, home: Home = None) -> None:
    """Show a collection and its published snapshot.

    \b
    Example:
      vilem index show photos
    """
    from index.collection import Collection
    from index.publish import current
    from index.snapshot import read_manifest
    from index.text_model import text_model

    collection = Collection.open(home_of(home) / "collections", name)
    answering = text_model(collection.path, collection.info)
    manifest = read_manifest(current(collection.path))
    rows = [
        *engine_rows(collection.path),
        ("items", f"{collection.count():,} at version {collection.version}"),
        ("generation", collection.generation),
        ("model", f"{collection.info.bundle_name} ({collection.info.bundle_digest[:12]}…)"),
        ("answered by", f"{answering.bundle_name} ({answering.bundle_digest[:12]}…)"),
        ("published", f"{manifest.id}: {manifest.images.rows:,} items, {manifest.created_at}"),
        ("images", _part(manifest, "images")),
        ("texts", _part(manifest, "texts")),
        ("proofreading", _proofreading(collection.at(manifest.items_version, manifest.captions_version))),
        ("rejects", f"{len(collection.rejects()):,}"),
    ]
    print_rows(("collection", name), rows)


@app.command("text-model")
def text_model(
    name: Name,
    model: Annotated[str, typer.Option(help="Bundle whose texts shall find its pictures: one of home/bundles.")],
    home: Home = None,
) -> None:
    """Let another text tower answer for a collection, without embedding a picture again.

    The bundle must give pictures the very vectors that the collection holds, as those of `vilem distill-text` do. The
    collection's own bundle takes the choice back. A running service changes over by itself.

    \b
    Examples:
      vilem index text-model photos --model photos-small
      vilem index text-model photos --model vit-b-32
    """
    from index.collection import Collection
    from index.text_model import choose_text_model
    from models.bundle import Bundle, bundle_of, find_bundle
    from models.manifest import read_manifest

    folder = home_of(home)
    collection = Collection.open(folder / "collections", name)
    info = collection.info
    # opened: its files are compared with its seals
    other = Bundle.open(find_bundle(model, folder)).manifest
    # where the service will look for it
    bundle_of(other.digest(), other.name, folder)
    own = read_manifest(bundle_of(info.bundle_digest, info.bundle_name, folder))
    choose_text_model(collection.path, info, own, other)
    typer.echo(f"{name} is answered by {other.name} ({other.digest()[:12]}…)")


@app.command()
def rejects(name: Name, home: Home = None) -> None:
    """List what could not be indexed, and why.

    \b
    Example:
      vilem index rejects photos
    """
    from index.collection import Collection

    found = Collection.open(home_of(home) / "collections", name).rejects()
    print_rows(("id", "reason", "detail"), [(each.id, each.reason, each.detail) for each in found])


@app.command()
def verify(name: Name, home: Home = None) -> None:
    """Compare every file of the published snapshot with its SHA-256.

    \b
    Example:
      vilem index verify photos
    """
    from index.searcher import Searcher

    searcher = Searcher.open(home_of(home) / "collections", name)
    typer.echo(f"{name}: snapshot {searcher.manifest.id} is whole: {searcher.count:,} items")


app.command()(duplicates)
app.command()(audit)
app.command()(fields)
app.command()(upsert)
app.command()(delete)
app.command()(push)
app.command()(plan)
app.command()(explain)
app.command()(reindex)
app.command()(rollback)
app.command()(generations)
app.command()(gc)


def _listed(root: Path, name: str) -> tuple[str, ...]:
    """A row of the list; one that is damaged does not hide the others."""
    from index.collection import Collection
    from index.errors import CollectionError, SnapshotMissing
    from index.publish import current
    from index.snapshot import read_manifest

    try:
        collection = Collection.open(root, name)
        known = (name, f"{collection.count():,}", collection.info.bundle_name)
        try:
            return *known, read_manifest(current(collection.path)).created_at
        except SnapshotMissing:
            return *known, "never: run `vilem index build` to its end"
    except CollectionError as error:
        return name, "?", "?", str(error)


def _collection(root: Path, name: str, bundle: "Bundle") -> "Collection":
    from index.collection import Collection
    from index.errors import CollectionMissing

    try:
        return Collection.open(root, name)
    except CollectionMissing:
        manifest = bundle.manifest
        return Collection.create(root, name, dim=manifest.dim, bundle_digest=bundle.digest, bundle_name=manifest.name)


def _safe(collections: Path, name: str) -> str:
    """What is left of a build that is stopped."""
    from index.collection import Collection, list_collections

    # the stop may come while the collection is being made
    rows = Collection.open(collections, name).count() if name in list_collections(collections) else 0
    return f"{rows:,} items are safe; the same command goes on from there, and publishes them"


def _follow(job: "EmbedJob") -> None:
    """Show the job's progress until its end."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = ("embedding", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    with Bar(*columns) as bar:
        task = bar.add_task("embedding", total=None, pace="")
        for progress in job:
            bar.update(task, completed=progress.seen, total=progress.total, pace=_pace(progress))


def _pace(progress: "Progress") -> str:
    left = progress.seconds_left
    return f"{progress.rate:.0f}/s" + ("" if left is None else f", {left:.0f} s left")


def _print_summary(name: str, summary: "Summary", manifest: "SnapshotManifest") -> None:
    rows = [
        ("seen", f"{summary.seen:,}"),
        ("embedded", f"{summary.embedded:,}"),
        ("updated", f"{summary.updated:,}"),
        ("unchanged", f"{summary.unchanged:,}"),
        ("rejected", ", ".join(f"{reason}: {count}" for reason, count in summary.rejected.items()) or "0"),
        ("captions", f"{summary.captions:,} embedded, {summary.captions_truncated:,} of them cut"),
        ("videos", f"{summary.moments:,} moments embedded"),
        ("patches", f"{summary.patch_bytes:,} bytes stored for proofreading"),
        ("seconds", f"{summary.seconds:.1f}"),
        ("published", f"{manifest.id}: {manifest.images.rows:,} items, {manifest.images.factory}"),
    ]
    print_rows(("collection", name), rows)


def _proofreading(served: "Collection") -> str:
    from index.patches import has_patches

    return "patches are stored" if has_patches(served.items) else "no patches are stored"


def _part(manifest: "SnapshotManifest", name: str) -> str:
    part = manifest.images if name == "images" else manifest.texts
    if part is None:
        return "none"
    tuned = "".join(f", {name} {value}" for name, value in part.parameters.items())
    return f"{part.rows:,} vectors, {part.factory}{tuned}, recall@10 {part.recall_at_10:.3f}"
