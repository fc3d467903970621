"""`vilem index duplicates`: which pictures of a collection are there more than once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.bar import bar
from vilem.cli.home import Home, home_of
from vilem.cli.refuse import refuse
from vilem.cli.searcher import held_searcher
from vilem.cli.stopping import stoppable
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    from index.duplicates.find import Duplicates
    from index.neighbours import Tell
    from index.searcher import Searcher

# of the table; --json has all
_SHOWN = 20
# of perceptual hashes: of copies that were recompressed, scaled or recoloured 99 in 100 differ in no more (docs/duplicates.md)
_BITS = 4


def duplicates(
    name: Annotated[str, typer.Argument(help="Name of a published collection.")],
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Least cosine of two near-duplicates.",
            show_default="measured on the collection's pictures",
        ),
    ] = None,
    hashes: Annotated[
        bool,
        typer.Option("--hash", help="Pictures whose perceptual hashes are near are duplicates too; reads each once."),
    ] = False,
    bits: Annotated[
        int | None, typer.Option(min=0, max=7, help=f"--hash: bits of 64 that two may differ in [{_BITS}].")
    ] = None,
    chains: Annotated[
        bool,
        typer.Option("--chains", help="Let members of a group resemble each other in a chain, not all the same one."),
    ] = False,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write every group to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with the pictures of the largest groups.")] = None,
    home: Home = None,
) -> None:
    """Find exact copies and near-duplicates, print the groups, and keep them beside the collection.

    A search may then fold the duplicates among its hits together. Without --threshold some pictures are altered as copies
    are, embedded, and compared with strangers: the cosine that tells the two apart is another one for each model.

    \b
    Examples:
      vilem index duplicates photos
      vilem index duplicates photos --hash --html duplicates.html
      vilem index duplicates photos --threshold 0.97 --json duplicates.json
    """
    from index.duplicates.find import Options, find_duplicates
    from index.duplicates.groups import save_groups
    from index.duplicates.report import facts, write_json, write_page

    if not hashes:
        refuse({"--bits": bits}, "only --hash compares bits; add it, or leave this out")
    folder = home_of(home)
    left = "what was kept of an earlier run is untouched; computed hashes are kept"
    with stoppable(lambda: left), held_searcher(folder, name) as searcher:
        with bar() as tell:
            chosen = _measured(searcher, folder, tell) if threshold is None else threshold
            differing = (_BITS if bits is None else bits) if hashes else None
            options = Options(chosen, differing, chains)
            found = find_duplicates(searcher, options, tell)
        info = save_groups(searcher.view.collection, found.found, items=found.items, **vars(options))
        for fact in facts(found, info):
            typer.echo(fact)
        _print_groups(searcher, found)
        if as_json is not None:
            write_json(searcher, found, info, as_json)
        if html is not None:
            write_page(searcher, found, info, html)


def _measured(searcher: "Searcher", home: Path, tell: "Tell") -> float:
    from index.duplicates.threshold import measure_threshold
    from models.bundle import Bundle, bundle_of

    model = searcher.text_model
    bundle = Bundle.open(bundle_of(model.bundle_digest, model.bundle_name, home))
    measured = measure_threshold(searcher, bundle, tell)
    at = measured.threshold
    typer.echo(
        f"threshold {at:.4f}: {measured.recall(at):.0%} of altered copies are at or over it, and {measured.false(at):.1%} of "
        "pictures have a stranger there"
    )
    if measured.recall(at) < 0.5:
        typer.echo("this model hardly tells copies from strangers here: --hash finds copies by their look", err=True)
    return at


def _print_groups(searcher: "Searcher", found: "Duplicates") -> None:
    groups = found.found.groups()
    rows: list[tuple[str, ...]] = []
    for members in groups[:_SHOWN]:
        ids = [
            record.id
            for record in searcher.view.collection.records_at(found.found.rows[members[:4]].tolist())
            if record is not None
        ]
        more = f" and {len(members) - len(ids):,} more" if len(members) > len(ids) else ""
        least = found.least[int(found.found.representatives[members[0]])]
        rows.append((f"{len(members):,}", f"{least:.4f}", f"{', '.join(ids)}{more}"))
    if rows:
        print_rows(("items", "least cosine", "the representative first"), rows)
    if len(groups) > len(rows):
        typer.echo(f"{len(groups) - len(rows):,} smaller groups: --json writes them all")
