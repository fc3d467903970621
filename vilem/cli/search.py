"""`vilem search`: one query against a published collection, as a table."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

    from index.searcher import Hit, Searcher


def search(
    collection: Annotated[str, typer.Argument(help="Name of a collection.")],
    query: Annotated[str, typer.Argument(help="A sentence; with --image the path of a picture.")],
    image: Annotated[bool, typer.Option("--image", help="The query is a picture's path.")] = False,
    texts: Annotated[bool, typer.Option("--texts", help="Find captions instead of pictures.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Hits to show.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a hit, for programs.")] = False,
    home: Annotated[Path | None, typer.Option(help="Folder with bundles/ and collections/ [VILEM_HOME].")] = None,
) -> None:
    """Search a collection and print the hits.

    \b
    Examples:
      vilem search photos "two dogs on a beach"
      vilem search photos holiday.jpg --image --limit 5
    """
    from index.searcher import Searcher
    from service.settings import Settings

    if not query.strip():
        raise typer.BadParameter("the query is empty: give a sentence, or a picture's path with --image")
    settings = Settings() if home is None else Settings(home=home)
    searcher = Searcher.open(settings.home / "collections", collection)
    vector, truncated = _embed(searcher, query, settings.home, image=image)
    hits = searcher.search(vector[None], [limit], "texts" if texts else "images")[0]
    if as_json:
        for hit in hits:
            typer.echo(json.dumps({"id": hit.id, "score": hit.score, "uri": hit.record.uri, "caption": _caption(hit)}))
        return
    _print(hits, f"{collection} version {searcher.version}", truncated=truncated)


def _embed(searcher: "Searcher", query: str, home: Path, *, image: bool) -> tuple["np.ndarray", bool]:
    """The query's vector (d,), and whether a text was cut."""
    from models.bundle import Bundle, bundle_of
    from models.errors import ImageUnreadable

    manifest = searcher.manifest
    bundle = Bundle.open(bundle_of(manifest.bundle_digest, manifest.bundle_name, home))
    if not image:
        embedded = bundle.embed_texts([query])
        return embedded.vectors[0], bool(embedded.truncated[0])
    try:
        data = Path(query).read_bytes()
    except OSError as error:
        raise ImageUnreadable(f"{query} cannot be read: {error.strerror}") from error
    return bundle.embed_images(bundle.prepare(data)[None])[0], False


def _print(hits: list["Hit"], title: str, *, truncated: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("score", title=title)
    # whole, if need be on several lines: an id that is cut names nothing
    table.add_column("id", overflow="fold")
    table.add_column("caption", overflow="fold")
    for hit in hits:
        # Text: what stands in brackets in a caption is no markup
        table.add_row(f"{hit.score:.3f}", Text(hit.id), Text(_caption(hit)))
    console = Console()
    console.print(table)
    if truncated:
        console.print("the query was longer than the model reads: its end was cut off", style="yellow")


def _caption(hit: "Hit") -> str:
    return hit.caption or (hit.record.captions[0] if hit.record.captions else "")
