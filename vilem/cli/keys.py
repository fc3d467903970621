"""`vilem keys`: who may ask the service for what."""

from pathlib import Path
from typing import Annotated

import typer

from vilem.cli.home import Home
from vilem.cli.table import print_rows

app = typer.Typer(help="API keys of the service: make, list and revoke them.", no_args_is_help=True)

File = Annotated[
    Path | None, typer.Option("--file", help="File of the keys [VILEM_KEYS, keys.json in VILEM_HOME].", dir_okay=False)
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is: letters, digits and . @ _ - .")],
    scopes: Annotated[
        str, typer.Option(help="What it may do, parted by commas: search, write, admin. None holds another.")
    ] = "search",
    rate: Annotated[
        float | None, typer.Option(help="Requests a second; as many may come at once (any number, if left out).")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Requests under way at a time (any number, if left out).")
    ] = None,
    home: Home = None,
    file: File = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept. A running service knows it a second later.

    The first key closes a service that was open: from then on every request needs one.

    \b
    Example:
      vilem keys create shop --scopes search --rate 50 --concurrency 8
      curl -H "Authorization: Bearer vilem_…" localhost:8000/v1/collections
    """
    from pydantic import ValidationError

    from service.guard.keys import SCOPES, add_key, make_key

    wanted = [each.strip() for each in scopes.split(",") if each.strip()]
    if unknown := sorted(set(wanted) - set(SCOPES)):
        raise typer.BadParameter(f"there is no scope {unknown[0]!r}: choose of {', '.join(SCOPES)}")
    try:
        key, kept = make_key(name, [each for each in SCOPES if each in wanted], rate=rate, concurrency=concurrency)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from error
    where = _file(home, file)
    add_key(where, kept)
    # the key alone on stdout, so that it can be piped to where it is kept
    typer.echo(key)
    typer.echo(f"{where} has its hash; the key itself is shown only now", err=True)


@app.command("list")
def list_keys(home: Home = None, file: File = None) -> None:
    """List the keys, without themselves: nobody can read them again."""
    from service.guard.keys import read_keys

    where = _file(home, file)
    keys = read_keys(where)
    if keys is None:
        typer.echo(f"there are no keys ({where}): the service asks for none")
        return
    rows = [
        (
            each.id,
            each.name,
            ", ".join(each.scopes),
            _or_any(each.rate),
            _or_any(each.concurrency),
            f"{each.created_at:%Y-%m-%d}",
        )
        for each in keys.values()
    ]
    # what the log calls a key by
    print_rows(("id", "name", "scopes", "a second", "at a time", "made"), rows, whole=("id",))


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="Its name or id.")], home: Home = None, file: File = None) -> None:
    """Take a key back. A running service refuses it a second later (VILEM_POLL_S); what it was let in for is answered."""
    from service.guard.keys import revoke_key

    where = _file(home, file)
    gone = revoke_key(where, key)
    typer.echo(f"{gone.name} ({gone.id}) is revoked", err=True)


def _file(home: Path | None, file: Path | None) -> Path:
    from service.settings import Settings

    given = {"home": home, "keys": file}
    return Settings.model_validate({name: value for name, value in given.items() if value is not None}).keys_file


def _or_any(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
