"""`vilem train`: from a recipe to a sealed, measured bundle."""

import hashlib
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from models.evaluation.report import Report
    from models.export.proofreader import TrainedProofreader
    from models.export.seal import Precision
    from models.manifest import Provenance
    from models.training.session import Session


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a TOML file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the bundle [HOME/bundles/NAME].")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Folder for rendered scenes and checkpoints [HOME/training/NAME].")
    ] = None,
    fp16: Annotated[bool, typer.Option("--fp16", help="Write half precision too, for GPUs.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Write int8 too, for CPUs.")] = False,
    home: Annotated[Path, typer.Option(envvar="VILEM_HOME", help="Folder with bundles/.")] = Path(
        "~/.local/share/vilem"
    ),
) -> None:
    """Train a dual encoder, measure it on held-out scenes and write it as a bundle.

    A run that was stopped goes on from its last checkpoint when the same command is given again.

    \b
    Example:
      vilem train models/recipes/scenes-s.toml
      vilem train my.toml -o ./my-bundle --work /scratch/my --int8
    """
    from rich.console import Console

    from models.export.seal import export_bundle
    from models.training.recipe import read_recipe
    from models.training.session import open_session

    plan = read_recipe(recipe)
    target = output or home.expanduser() / "bundles" / plan.name
    if target.exists():
        raise typer.BadParameter(f"{target} exists: a bundle is never overwritten; remove it or give --output")
    console = Console()
    began = time.monotonic()
    with console.status("rendering scenes"):
        session = open_session(plan, work or home.expanduser() / "training" / plan.name)
    first = session.trainer.step
    _run(session, console)
    with console.status("measuring"):
        measured = session.measure()
    with console.status("exporting"):
        export_bundle(
            session.model,
            session.tokenizer.to_str().encode(),
            name=plan.name,
            output=target,
            preprocess=session.preprocess(),
            text=session.text_spec(),
            provenance=_provenance(session, measured, {"seconds": time.monotonic() - began, "first_step": first}),
            variants=_precisions(fp16=fp16, int8=int8),
            proofreader=_proofreader(session),
        )
    _announce(measured, target, console)


def _precisions(*, fp16: bool, int8: bool) -> "list[Precision]":
    wanted: dict[Precision, bool] = {"fp16": fp16, "int8": int8}
    return [name for name, asked in wanted.items() if asked]


def _proofreader(session: "Session") -> "TrainedProofreader | None":
    """What a recipe with a [proofreading] part leaves beside the towers."""
    from models.export.proofreader import TrainedProofreader

    objective, edits, calibration = session.trainer.objective, session.trainer.edits, session.calibrate()
    if objective.module is None or edits is None or calibration is None:
        return None
    return TrainedProofreader(objective.module, objective.levels, edits.vocabulary.words, calibration)


def _run(session: "Session", console: "Console") -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from models.training.session import is_checkpoint

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=session.recipe.optim.steps, completed=session.trainer.step)
        for step in session.run():
            said = f"loss {step.loss:.3f}  {step.examples_per_s:.0f} pairs/s  {step.seconds_left / 60:.0f} min left"
            progress.update(task, completed=step.number, description=said)
            if is_checkpoint(step):
                console.print(f"step {step.number}: text→image R@1 {session.validate():.1%} on the validation scenes")


def _provenance(session: "Session", measured: "Report", cost: dict[str, float]) -> "Provenance":
    """What the manifest says of the run; the cost covers this command, from `first_step` on."""
    from models.manifest import Provenance
    from models.training.checkpoint import recipe_digest

    plan = session.recipe
    # scenes are rendered by processes of their own
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cost = {**cost, "cpu_seconds": sum(each.ru_utime + each.ru_stime for each in used)}
    return Provenance(
        architecture=f"open_clip ModifiedResNet {plan.image.layers} x {plan.image.width} at {plan.image.size} px, "
        f"causal text transformer {plan.text.layers} x {plan.text.width}",
        pretrained="none",
        recipe=recipe_digest(plan),
        data_digest=hashlib.sha256(plan.data.model_dump_json().encode()).hexdigest(),
        metrics=measured.metrics(),
        notes={
            "recipe": plan.model_dump(mode="json"),
            "cost": {name: round(value) for name, value in cost.items()},
        },
    )


def _announce(measured: "Report", target: Path, console: "Console") -> None:
    from vilem.cli.eval import show

    show(measured, console)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    console.print(f"bundle [bold]{target}[/], {size / 1e6:.1f} MB")
