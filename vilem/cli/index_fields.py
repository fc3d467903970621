"""`vilem index fields`: the typed fields of a collection, by which searches filter and count facets."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.refuse import refuse
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    from index.collection import Collection
    from index.fields.survey import Survey
    from index.fields.types import Field

# of what is left out, so that one line stays one
_SHOWN = 8

InferFields = Annotated[
    bool,
    typer.Option(
        "--fields/--no-fields",
        help="At the end, make a typed field of each key of the metadata that has one type throughout: searches can "
        "then filter by it.",
    ),
]


class Action(StrEnum):
    """What to do with fields."""

    ADD = "add"
    DROP = "drop"
    INFER = "infer"
    WORDS = "words"


def fields(
    name: Annotated[str, typer.Argument(help="Name of a collection.")],
    action: Annotated[Action | None, typer.Argument(help="Left out: list them.", show_default=False)] = None,
    which: Annotated[
        list[str] | None,
        typer.Argument(
            help="NAME:TYPE to add, NAME to drop or to search by words.", metavar="[FIELD]...", show_default=False
        ),
    ] = None,
    home: Home = None,
) -> None:
    """List, add or drop typed fields, look which the metadata would give, or let searches look for words in them.

    Types: string, int, float, bool, datetime, strings (a list of them), geo ({"lat": …, "lon": …} or [lat, lon]).
    `vilem index build` adds those that have one type throughout by itself. A value that does not fit is no value.

    \b
    Examples:
      vilem index fields shop
      vilem index fields shop infer
      vilem index fields shop add price:float made:datetime
      vilem index fields shop drop price
      vilem index fields shop words title
    """
    from index.collection import Collection

    collection = Collection.open(home_of(home) / "collections", name)
    given = which or []
    match action:
        case None:
            _list(collection)
        case Action.INFER:
            refuse({" ".join(given): bool(given)}, "infer looks at all keys of the metadata")
            _infer(collection)
        case Action.ADD:
            _add(collection, _needed(given, "NAME:TYPE, as in price:float"))
        case Action.DROP:
            from index.fields.change import drop_fields

            drop_fields(collection, _needed(given, "the NAME of a field"))
            typer.echo(f"dropped {', '.join(given)}: the metadata keep the values")

        case Action.WORDS:
            _search_by_words(collection, _needed(given, "the NAME of a field of strings"))


def settle(collection: "Collection", name: str) -> None:
    """Add what can be inferred after a job, and tell what is new or does not fit."""
    from index.fields.settle import settle_fields

    settled = settle_fields(collection)
    if settled.added:
        typer.echo(f"new fields to filter by: {_joined(settled.added)}")
    _tell_misfits(settled.misfits.items(), name)
    if settled.left:
        typer.echo(f"{len(settled.left)} more keys could be fields: `vilem index fields {name} infer` lists them")


def _list(collection: "Collection") -> None:
    from index.fields.indexes import index_names
    from index.fields.types import BUILT_IN, derived_fields
    from index.filters.nodes import Exists
    from index.filters.rows import matching_rows

    items = collection.items
    rows = [(each.name, each.type, f"{collection.count():,}", "") for each in BUILT_IN.values()]
    for field in derived_fields(items.schema):
        count = len(matching_rows(items, Exists(field)))
        rows.append((field.name, field.type, f"{count:,}", "yes" if index_names(items, field.column) else "no"))
    print_rows(("field", "type", "items with a value", "index"), rows)


def _infer(collection: "Collection") -> None:
    from index.fields.survey import survey

    found = survey(collection.items)
    proposals = [(each.field.name, each.field.type, f"{each.count:,} of {found.rows:,}") for each in found.proposals]
    print_rows(("field", "type", "items with a value"), proposals)
    name = collection.info.name
    _tell_mixed(found)
    _tell_misfits(found.misfits.items(), name)
    if proposals:
        from shlex import quote

        declarations = " ".join(quote(str(each.field)) for each in found.proposals)
        typer.echo(f"to add them: vilem index fields {name} add {declarations}")


def _add(collection: "Collection", declarations: Sequence[str]) -> None:
    from index.fields.change import add_fields
    from index.fields.indexes import index_fields
    from index.fields.types import parse_declaration

    added = [parse_declaration(each) for each in declarations]
    misfits = add_fields(collection, added)
    index_fields(collection)
    typer.echo(f"added {_joined(added)} to {collection.count():,} items")
    _tell_misfits(misfits.items(), collection.info.name)


def _search_by_words(collection: "Collection", names: Sequence[str]) -> None:
    from index.lexical.columns import text_columns
    from index.lexical.search import CAPTIONS
    from index.lexical.upkeep import index_texts

    columns = [each for each in text_columns(collection.items.schema, names) if each != CAPTIONS]
    index_texts(collection, columns=columns)
    typer.echo(f"searches find words in {', '.join(names)}, where hybrid.fields names them")


def _needed(given: Sequence[str], what: str) -> Sequence[str]:
    if not given:
        raise typer.BadParameter(f"say which: {what}")
    return given


def _tell_mixed(found: "Survey") -> None:
    for key, kinds in list(found.mixed.items())[:_SHOWN]:
        typer.echo(f"{key} has no one type ({kinds}): add it with the type that you want, the rest is no value")
    if len(found.mixed) > _SHOWN:
        typer.echo(f"and {len(found.mixed) - _SHOWN} more keys have no one type")


def _tell_misfits(misfits: Iterable[tuple[str, int]], name: str) -> None:
    for field, count in misfits:
        typer.echo(f"{count:,} values of {field} do not fit its type and are no value: see `vilem index fields {name}`")


def _joined(found: Sequence["Field"]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(map(str, found[:_SHOWN])) + more
