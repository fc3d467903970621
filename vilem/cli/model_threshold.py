"""`vilem model threshold`: from which P(wrong) on a bundle's proofreader calls a word contradicted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    from models.manifest import BundleManifest
    from models.training.recipe import Recipe


def threshold(
    bundle: Annotated[str, typer.Argument(help="A bundle that `vilem train` wrote: its folder, or a name.")],
    work: Annotated[
        Path | None,
        typer.Option(help="Where rendered scenes and decoded pictures are kept between runs, as of `vilem train`."),
    ] = None,
    home: Home = None,
) -> None:
    """Choose it anew, on the edited captions of the recipe's validation split, as `vilem train` does (needs the `train` extra).

    It is written to the bundle's manifest, in the place of what was there. Vectors, probabilities and the bundle's digest stay:
    collections stay as they are.

    \b
    Example:
      vilem model threshold scenes-s
    """
    from models.bundle import Bundle, find_bundle
    from models.manifest import MANIFEST_NAME
    from models.proofreader import Proofreader
    from models.sealed import write_atomically
    from models.training.calibration import kept_threshold
    from models.training.materials import gather

    opened = Bundle.open(find_bundle(bundle, home_of(home)))
    reader = Proofreader.open(opened)
    plan = _recipe(opened.manifest)
    folder = work or home_of(home) / "training" / plan.name
    folder.mkdir(parents=True, exist_ok=True)
    materials = gather(plan, folder / "scenes")
    edits = materials.judging
    assert edits is not None, "the recipe has a part for the proofreader"
    made = opened.manifest.with_threshold(kept_threshold(reader, materials.pairs("val"), edits))
    write_atomically(opened.path / MANIFEST_NAME, made.to_bytes())
    before, after = (each.proofreader.calibration.threshold for each in (opened.manifest, made) if each.proofreader)
    print_rows(
        ("bundle", made.name),
        [
            ("written", str(opened.path / MANIFEST_NAME)),
            ("a word is wrong above", f"{after:.4f} (before: {before:.4f})"),
        ],
    )


def _recipe(manifest: "BundleManifest") -> "Recipe":
    """The first stage of the run that made the bundle: what its proofreader was judged by.

    Raises:
        RecipeError: the bundle does not say it, or says it as no recipe is written any more.
    """
    from pydantic import ValidationError

    from models.training.recipe import Recipe, RecipeError

    try:
        recipe = Recipe.model_validate(manifest.provenance.notes.get("recipe")).first_stage()
    except ValidationError:
        recipe = None
    if recipe is None or recipe.proofreading is None:
        raise RecipeError(
            f"the bundle {manifest.name!r} holds no recipe of its proofreader that this ViLEM reads: train it anew with "
            "`vilem train`"
        )
    return recipe
