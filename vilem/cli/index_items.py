"""`vilem index upsert` and `delete`: items of a published collection, seen by searches without publishing."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from index.errors import SourceError
from vilem.cli.home import Home, home_of
from vilem.cli.index_videos import StoredEvery, StoredMoments, stored_video_options

Name = Annotated[str, typer.Argument(help="Name of a collection.")]

# as of `vilem index build`
EXIT_WITH_REJECTS = 3
# ids that are removed in one commit
_TOGETHER = 1_000


def upsert(
    name: Name,
    source: Annotated[str, typer.Argument(help="Folder, JSONL/CSV/Parquet table, or WebDataset tar; path or URL.")],
    home: Home = None,
    root: Annotated[str | None, typer.Option(help="Folder that a table's relative paths start from.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images in one inference.")] = 16,
    every: StoredEvery = None,
    moments: StoredMoments = None,
) -> None:
    """Add and replace items of a collection without publishing: searches see them as they are committed.

    As `vilem index build` with the collection's own model; a service publishes by itself once they are many.

    \b
    Examples:
      vilem index upsert photos ~/Pictures/new
      vilem index upsert films ~/Videos/new --every 0.5
      vilem index upsert shop changed.jsonl
    """
    from index.collection import Collection
    from index.embed import embed
    from index.maintenance import clean_up
    from index.options import EmbedOptions
    from index.sources import open_source
    from models.bundle import Bundle, bundle_of

    folder = home_of(home)
    collection = Collection.open(folder / "collections", name)
    bundle = Bundle.open(bundle_of(collection.info.bundle_digest, collection.info.bundle_name, folder))
    patches = collection.keeps_patches and bundle.manifest.proofreader is not None
    videos = stored_video_options(collection, every, moments)
    options = EmbedOptions(image_batch=batch, patches=patches, videos=videos)
    with embed(collection, open_source(source, root=root), bundle, options) as job:
        for _ in job:
            pass
    clean_up(collection)
    done = job.summary
    rejected = sum(done.rejected.values())
    typer.echo(
        f"{done.embedded:,} embedded, {done.updated:,} updated, {done.unchanged:,} unchanged, {rejected:,} rejected"
    )
    if rejected:
        typer.echo(f"`vilem index rejects {name}` lists what was rejected, and why")
        raise typer.Exit(EXIT_WITH_REJECTS)


def delete(
    name: Name,
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of items.")] = None,
    from_file: Annotated[
        Path | None,
        typer.Option("--from", help="File with an id on each line; - reads standard input.", allow_dash=True),
    ] = None,
    home: Home = None,
) -> None:
    """Remove items. A service that runs shows them no more within a second; ids that are not there are counted.

    \b
    Examples:
      vilem index delete photos holiday/1.jpg holiday/2.jpg
      vilem index delete photos --from gone.txt
    """
    from index.collection import Collection
    from index.maintenance import clean_up

    wanted = [*(ids or []), *_lines(from_file)]
    if not wanted:
        raise SourceError("no ids were given: name them, or give a file with --from")
    collection = Collection.open(home_of(home) / "collections", name)
    removed = 0
    for start in range(0, len(wanted), _TOGETHER):
        together = wanted[start : start + _TOGETHER]
        with collection.turn():
            # as `index.live.writes.apply`: what was let go does not come back with the model before
            collection.note_rejects([], together)
            removed += len(collection.delete(together))
    clean_up(collection)
    absent = len(set(wanted)) - removed
    typer.echo(f"removed {removed:,} items" + (f"; {absent:,} were not there" if absent else ""))


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    if str(path) == "-":
        text = sys.stdin.read()
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path} cannot be read ({error}): give a text file with an id on each line") from error
    return [line for line in text.splitlines() if line]
