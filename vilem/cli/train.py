"""`vilem train`: from a recipe to a sealed, measured bundle."""

import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from models.evaluation.report import Report
    from models.export.proofreader import TrainedProofreader
    from models.export.seal import Precision
    from models.manifest import Provenance
    from models.training.language_model import Told
    from models.training.recipe import Recipe
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
    checkpoint_steps: Annotated[
        int, typer.Option(min=1, help="Steps between two checkpoints: what a stop costs at most.")
    ] = 100,
    int8: Annotated[
        bool, typer.Option("--int8", help="Write int8 too, for CPUs; of convolutions `vilem model quantize` makes it.")
    ] = False,
    home: Annotated[Path, typer.Option(envvar="VILEM_HOME", help="Folder with bundles/.")] = Path(
        "~/.local/share/vilem"
    ),
) -> None:
    """Train a dual encoder, measure it on held-out scenes and write it as a bundle.

    A run that was stopped goes on from its last checkpoint when the same command is given again. torchrun trains with
    several processes, one for each GPU.

    \b
    Example:
      vilem train models/recipes/scenes-s.toml
      vilem train my.toml -o ./my-bundle --work /scratch/my --int8
      torchrun --nproc-per-node 8 -m vilem train my.toml
    """
    from rich.console import Console

    from models.training.compute import device_of
    from models.training.ranks import join, leave
    from models.training.recipe import read_recipe
    from models.training.second_stage import second_stage
    from models.training.session import open_session

    plan = read_recipe(recipe)
    target = output or home.expanduser() / "bundles" / plan.name
    if target.exists():
        raise typer.BadParameter(f"{target} exists: a bundle is never overwritten; remove it or give --output")
    ranks = join(device_of(plan.optim))
    console = Console(quiet=not ranks.first)
    began = time.monotonic()
    with console.status("reading the data") as status:
        folder = work or home.expanduser() / "training" / plan.name
        session = open_session(plan, folder, ranks=ranks, every=checkpoint_steps, told=_shown(status))
    _check_size(session)
    first = session.trainer.step
    _run(session, console)
    with console.status("preparing what follows") as status:
        after = second_stage(session, plan, _shown(status))
    if after is not None:
        console.print("the towers are done: the module learns on alone")
        first, session = first + after.trainer.step, after
        _run(session, console, towers=False)
    if ranks.first:
        cost = {"seconds": time.monotonic() - began, "first_step": first}
        _finish(session, plan, target, console, cost, _precisions(fp16=fp16, int8=int8))
    # torchrun ends all processes when one fails: the others stay until the first is through
    ranks.wait()
    leave()


def _shown(status: "Status") -> "Told":
    return lambda what, done, of: status.update(f"{what}: {done:,} of {of:,}")


def _finish(
    session: "Session",
    plan: "Recipe",
    target: Path,
    console: "Console",
    cost: dict[str, float],
    variants: "list[Precision]",
) -> None:
    """Measure what was trained, and write it as a bundle."""
    from models.export.seal import export_bundle

    with console.status("measuring"):
        measured = session.measure()
    with console.status("exporting"):
        export_bundle(
            session.finished().towers,
            session.tokenizer_json(),
            name=session.recipe.name,
            output=target,
            preprocess=session.preprocess(),
            text=session.text_spec(),
            provenance=_provenance(session, plan, measured, cost),
            variants=variants,
            proofreader=_proofreader(session, console),
        )
    _announce(measured, target, console)


def _precisions(*, fp16: bool, int8: bool) -> "list[Precision]":
    wanted: dict[Precision, bool] = {"fp16": fp16, "int8": int8}
    return [name for name, asked in wanted.items() if asked]


def _check_size(session: "Session") -> None:
    """What cannot be exported is refused before it is trained."""
    from models.export.proofreader import check_size

    objective = session.trainer.objective
    if objective.module is not None:
        check_size(objective.towers, objective.module.shape, objective.levels, session.preprocess().size)


def _proofreader(session: "Session", console: "Console") -> "TrainedProofreader | None":
    """What a recipe with a [proofreading] part leaves beside the towers; nothing where a head of it learnt nothing."""
    from models.export.proofreader import TrainedProofreader

    part = session.recipe.proofreading
    untaught = [] if part is None else [name for name in ("detection", "correction") if not getattr(part, name)]
    if untaught:
        console.print(
            f"[yellow]note[/]: the bundle has no proofreader, for its {' and '.join(untaught)} had weight 0 and learnt nothing; to "
            f"have one give proofreading.{' and .'.join(untaught)} a weight"
        )
        return None
    objective, edits, calibration = session.finished(), session.trainer.edits, session.calibrate()
    if objective.module is None or edits is None or calibration is None:
        return None
    return TrainedProofreader(objective.module, objective.levels, edits.vocabulary.words, calibration)


def _run(session: "Session", console: "Console", *, towers: bool = True) -> None:
    from vilem.cli.watch import watch

    for caveat in session.trainer.caveats:
        console.print(f"[yellow]note[/]: {caveat}")
    for step in watch(session.run(), session.trainer.step, session.recipe.optim.steps, console):
        if towers and session.is_checkpoint(step) and session.trainer.ranks.first:
            console.print(f"step {step.number}: text→image R@1 {session.validate():.1%} on the validation split")


def _provenance(session: "Session", plan: "Recipe", measured: "Report", cost: dict[str, float]) -> "Provenance":
    """What the manifest says of the run; the cost covers this command, from `first_step` on."""
    from models.manifest import Provenance

    # scenes are rendered by processes of their own
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cost = {**cost, "cpu_seconds": sum(each.ru_utime + each.ru_stime for each in used)}
    return Provenance(
        architecture=session.materials.backbone.architecture,
        pretrained=session.materials.backbone.source,
        recipe=session.digest,
        data_digest=session.materials.digest,
        metrics=measured.metrics(),
        notes={
            "recipe": plan.model_dump(mode="json"),
            "cost": {name: round(value) for name, value in cost.items()},
        },
    )


def _announce(measured: "Report", target: Path, console: "Console") -> None:
    from vilem.cli.eval_parts import show

    show(measured, console)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    console.print(f"bundle [bold]{target}[/], {size / 1e6:.1f} MB")
