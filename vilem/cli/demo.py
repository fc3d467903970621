"""`vilem demo`: make a corpus of rendered scenes, index it, serve it."""

from pathlib import Path
from typing import Annotated

import typer

COLLECTION = "scenes"


def demo(
    home: Annotated[Path, typer.Option(help="Folder to build the demo in; a second run goes on from it.")] = Path(
        ".demo"
    ),
    port: Annotated[int, typer.Option(help="Port to serve on.")] = 8000,
    count: Annotated[int, typer.Option(min=1, help="How many scenes to render.")] = 1000,
) -> None:
    """Render scenes, index them with the built-in model and serve the search page, until Ctrl-C.

    \b
    Example:
      vilem demo --port 8080
    """
    from vilem.cli.serve import open_port, rest_between_searches, run_server

    rest_between_searches()
    from rich.console import Console

    from service.settings import Settings
    from vilem.cli.index import build
    from vilem.cli.scenes import Split, make

    settings = Settings(home=home, port=port)
    # first: a taken port shall not cost the minute before it
    listening = open_port(settings.host, settings.port)
    console = Console()
    source = home / "scenes"
    if not (source / "test.jsonl").exists():
        console.print(f"[bold]1/3[/] rendering {count} scenes into {source}")
        make(source, count=count, split=Split.test)
    console.print("[bold]2/3[/] indexing")
    build(COLLECTION, str(source / "test.jsonl"), model="scenes-s", home=home)
    console.print(f"[bold]3/3[/] open [link]http://localhost:{port}[/link]; `--home {home}` shows it to other commands")
    run_server(settings, listening)
