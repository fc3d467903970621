"""The `vilem` command: mounts every command group, and turns expected errors into one line and an exit status."""

import errno
import sys
from typing import NoReturn

import typer

from models.errors import ModelError
from vilem import __version__
from vilem.cli import (
    demo,
    distill_text,
    edit_captions,
    index,
    keys,
    model,
    proofread,
    scenes,
    search,
    serve,
    train,
    train_mlm,
)
from vilem.cli import eval as evaluation

# What the system refuses wherever it is asked, and what to do; other errors of its are faults of ours.
_TOLD = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "run this as whom it belongs to, or give them the right"),
    errno.EROFS: "write where writing is allowed, with --home or --output",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space, and give the command again"),
}
# what `.[train]` brings; serving and searching need none of it
_TRAIN_EXTRA = ("torch", "torchvision", "open_clip", "onnx", "onnxscript", "safetensors", "transformers", "timm")

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
app.add_typer(keys.app, name="keys")
app.command("search")(search.search)
app.command("proofread")(proofread.proofread)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("train")(train.train)
app.command("edit-captions")(edit_captions.edit_captions)
app.command("distill-text")(distill_text.distill_text)
app.command("train-mlm")(train_mlm.train_mlm)
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
    from pydantic import ValidationError

    from index.errors import CollectionError
    from service.errors import ServiceError

    try:
        app()
    except (ModelError, CollectionError, ServiceError) as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in (*_TRAIN_EXTRA, "av"):
            raise
        extra = "video" if missing == "av" else "train"
        _fail(f"this needs {error.name}, which is not installed: pip install -c constraints.txt -e '.[cpu,{extra}]'")
    except OSError as error:
        if error.errno not in _TOLD:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror}: {_TOLD[error.errno]}")
    except ValidationError as error:
        if error.title != "Settings":
            raise
        _fail("; ".join(f"VILEM_{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()))


def _fail(message: str) -> NoReturn:
    typer.echo(f"vilem: {message}", err=True)
    sys.exit(1)
