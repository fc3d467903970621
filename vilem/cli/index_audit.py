"""`vilem index audit`: what is likely wrong with a collection."""

from pathlib import Path
from typing import Annotated

import typer

from vilem.cli.bar import bar
from vilem.cli.home import Home, home_of
from vilem.cli.searcher import held_searcher
from vilem.cli.stopping import stoppable
from vilem.cli.table import print_rows

# of the table; --json has more
_SHOWN = 10


def audit(
    name: Annotated[str, typer.Argument(help="Name of a published collection.")],
    files: Annotated[
        bool, typer.Option("--files", help="Read every picture, and find those that are gone or changed.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Entries of each list in the JSON.")] = 200,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write figures and lists to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page that shows the pictures.")] = None,
    home: Home = None,
) -> None:
    """Find captions that are likely another picture's, pictures unlike all others, hubs, and broken files.

    Everything but --files is read from the stored vectors; nothing is changed.

    \b
    Examples:
      vilem index audit photos
      vilem index audit photos --files --html audit.html
      vilem index audit photos --json audit.json --limit 5000
    """
    from index.audit.report import summary, write_page
    from index.audit.run import audit as run

    with stoppable(lambda: "nothing was written"), held_searcher(home_of(home), name) as searcher:
        with bar() as tell:
            found = run(searcher, files=files, limit=limit, tell=tell)
        print_rows((name, f"version {found.items_version}, {found.items:,} items"), summary(found))
        if found.captions is not None:
            suspects = [
                (each.id, f"{each.cosine:.3f}", f"{each.wrong:.0%}", each.caption, each.fits or "")
                for each in found.captions.suspects[:_SHOWN]
            ]
            print_rows(("item", "cosine", "wrong", "caption", "fits best"), suspects)
        if as_json is not None:
            found.write(as_json)
        if html is not None:
            write_page(searcher, found, html)
