"""`vilem serve`: the HTTP API and the page over the collections of one home."""

import os
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.home import Home

if TYPE_CHECKING:
    from service.settings import Settings

_BACKLOG = 2048


def serve(
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="Address to bind [VILEM_HOST, 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind [VILEM_PORT, 8000].")] = None,
    redis_url: Annotated[str | None, typer.Option(help="Redis for the cache [VILEM_REDIS_URL, none].")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer on the port [VILEM_WORKERS, 1].")] = None,
) -> None:
    """Serve every published collection over HTTP, until Ctrl-C.

    Options not given come from VILEM_* environment variables; docs/api.md lists them all.

    \b
    Example:
      vilem serve --home ~/vilem --port 8000
      curl -s localhost:8000/v1/collections/photos/search -H 'content-type: application/json' \\
           -d '{"query": {"text": "a red kite over a beach"}}'
    """
    rest_between_searches()
    from service.settings import Settings

    given = {"home": home, "host": host, "port": port, "redis_url": redis_url, "workers": workers}
    # the environment fills what is left out
    run_server(Settings.model_validate({name: value for name, value in given.items() if value is not None}))


def rest_between_searches() -> None:
    """Let threads of FAISS and numpy sleep when they have nothing to do; read when these are loaded, so before that.

    They would spin between searches, for each twice what it costs.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def run_server(settings: "Settings", listening: socket.socket | None = None) -> None:
    """Serve, in this process or in several that it looks after, until told to stop.

    Args:
        settings: of the service.
        listening: the socket to serve on; opened when not given.
    """
    from service.guard.hosts import refuse_exposure

    # told once, before anything is opened, and not by each of several processes
    refuse_exposure(settings)
    opened = listening or open_port(settings.host, settings.port)
    _announce(settings, opened)
    if settings.workers > 1:
        from service.operations.processes import serve_together

        serve_together(settings, opened)
    else:
        from service.operations.server import run

        run(settings, opened)


def open_port(host: str, port: int) -> socket.socket:
    """Listen on an address; 0 takes any free port.

    Raises:
        typer.BadParameter: it is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise typer.BadParameter(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another --port or --host"
        ) from error


def _announce(settings: "Settings", opened: socket.socket) -> None:
    from index.collection import list_collections

    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    typer.echo(f"serving {settings.home} at http://{shown}:{opened.getsockname()[1]} (Ctrl-C stops)", err=True)
    if not list_collections(settings.home / "collections"):
        hint = "vilem index build NAME FOLDER --model scenes-s"
        typer.echo(f"no collection there yet: `{hint} --home {settings.home}` adds one", err=True)
