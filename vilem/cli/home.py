"""Where bundles and collections lie: the option that every command has, and what it means when it is left out."""

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path | None, typer.Option(help="Folder with bundles/ and collections/ [VILEM_HOME].")]


def home_of(given: Path | None) -> Path:
    """The folder that was given, or else the service's."""
    from service.settings import Settings

    return Settings().home if given is None else given
