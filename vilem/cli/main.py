"""The `vilem` command: mounts every command group, and turns expected errors into one line and an exit status."""

import sys

import typer

from models.errors import ModelError
from vilem import __version__
from vilem.cli import demo, index, model, scenes, search, serve, train
from vilem.cli import eval as evaluation

app = typer.Typer(
    name="vilem",
    help="Self-hosted image-text search: train, index, serve, search.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(model.app, name="model")
app.add_typer(scenes.app, name="scenes")
app.add_typer(index.app, name="index")
app.command("search")(search.search)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("train")(train.train)
app.add_typer(evaluation.app, name="eval")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vilem {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Self-hosted image-text search: train, index, serve, search."""


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit status 1."""
    from index.errors import CollectionError

    try:
        app()
    except (ModelError, CollectionError) as error:
        typer.echo(f"vilem: {error}", err=True)
        sys.exit(1)
