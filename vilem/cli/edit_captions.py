"""`vilem edit-captions`: the language model's edits of a recipe's captions, made once before training."""

from pathlib import Path
from typing import Annotated

import typer


def edit_captions(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a TOML file, with a cache in its part edits.")],
    work: Annotated[
        Path | None, typer.Option(help="The run's work folder, as for `vilem train` [HOME/training/NAME].")
    ] = None,
    home: Annotated[Path, typer.Option(envvar="VILEM_HOME", help="Folder with training/.")] = Path(
        "~/.local/share/vilem"
    ),
) -> None:
    """Make the edited captions that a recipe's training draws from, and keep them in shards.

    `vilem train` does the same where it was not done before; edits of another model or other settings are made anew.

    \b
    Example:
      vilem edit-captions models/recipes/flickr8k-vilem.toml
    """
    from rich.console import Console
    from rich.progress import Progress

    from models.training.materials import gather
    from models.training.recipe import read_recipe
    from models.training.second_stage import stage_recipe

    plan = read_recipe(recipe)
    part = plan.proofreading
    alone = None if part is None else part.alone
    asked = [edits for edits in (plan.edits, alone and alone.edits) if edits is not None and edits.cache is not None]
    if not asked:
        raise typer.BadParameter(f"{recipe} keeps no edits: give its part edits a cache, the folder to keep them in")
    console = Console()
    with Progress(console=console) as progress:
        task = progress.add_task("captions", total=None)

        def show(what: str, done: int, of: int) -> None:
            progress.update(task, description=what, completed=done, total=of)

        materials = gather(plan, (work or home.expanduser() / "training" / plan.name) / "scenes", show)
        if part is not None and alone is not None and alone.edits is not None:
            materials.for_stage(stage_recipe(plan, part, alone), show)
    for folder in {edits.cache.expanduser() for edits in asked if edits.cache is not None}:
        shards = list(folder.glob("*.jsonl"))
        size = sum(path.stat().st_size for path in shards)
        console.print(f"edits [bold]{folder}[/], {len(shards)} shards, {size / 1e6:.1f} MB")
