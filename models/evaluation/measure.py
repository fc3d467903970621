"""From a bundle and a data set to a report: the one path of every `vilem eval` command."""

from collections.abc import Iterable

from models.bundle import Bundle
from models.evaluation.compositional import edits_ranked
from models.evaluation.dataset import Dataset, DatasetInvalid, Entry
from models.evaluation.embed import Embedded, embed
from models.evaluation.figures import figures
from models.evaluation.outcomes import Pool, folded, retrieval_pool
from models.evaluation.report import DataTag, ModelTag, Report, Rival
from models.evaluation.rivals import edit_rivals, retrieval_rivals
from models.evaluation.words import shuffled_images


def measure(
    bundle: Bundle,
    data: Dataset,
    *,
    variant: str = "fp32",
    retrieval: bool = True,
    edits: bool = False,
    folds: int = 1,
    progress: Iterable[Entry] | None = None,
) -> Report:
    """Embed a data set and measure it.

    Args:
        bundle: the model.
        data: the pictures and texts.
        variant: the precision that the bundle was opened in, for the report.
        retrieval: measure text→image and image→text.
        edits: compare true captions with their edits.
        folds: measure retrieval also within so many parts of consecutive images; 1 for no parts.
        progress: the same entries, wrapped so that somebody sees them pass.

    Raises:
        DatasetInvalid: edits are asked for and there are none, the data cannot be cut into folds, or a picture is
            damaged or too large.
    """
    if edits and not any(entry.edits for entry in data.entries):
        raise DatasetInvalid(
            f"{data.source} has no false captions to compare with: expected `negatives` beside them (docs/evaluation.md), or "
            "let them be made: `vilem eval retrieval … --edits --make-edits`"
        )
    found = embed(bundle, progress if progress is not None else data.entries, edits=edits)
    model = ModelTag(name=bundle.manifest.name, digest=bundle.digest, variant=variant)
    return reported(found, data, model, retrieval=retrieval, edits=edits, folds=folds)


def reported(
    found: Embedded, data: Dataset, model: ModelTag, *, retrieval: bool = True, edits: bool = False, folds: int = 1
) -> Report:
    """Rank what is embedded, and say so; arguments and errors as of `measure`."""
    pool = _pool(found, retrieval=retrieval, edits=edits)
    try:
        parts = tuple(folded(found, folds)) if folds > 1 else ()
    except ValueError as error:
        raise DatasetInvalid(f"{data.source}: {error}") from error
    return Report(
        model=model,
        data=DataTag.of(data, found.digest),
        images=len(found.images),
        captions=len(found.texts),
        truncated=found.truncated,
        pool=pool,
        folds=parts,
        figures=figures(pool, parts),
        rivals=tuple(_rivals(found, data, pool)),
    )


def _pool(found: Embedded, *, retrieval: bool, edits: bool) -> Pool:
    whole = retrieval_pool(found.images, found.texts, found.owners, found.labels)
    tasks = dict(whole.tasks) if retrieval else {}
    if edits:
        of = found.images, found.texts, found.owners, found.edits
        tasks["edits"] = edits_ranked(*of)
        if len(set(found.edits.images.tolist())) > 1:
            tasks["shuffled"] = edits_ranked(*of, seen=shuffled_images(found.edits.images, seed=0))
    return Pool(images=whole.images, tasks=tasks)


def _rivals(found: Embedded, data: Dataset, pool: Pool) -> list[Rival]:
    rivals: list[Rival] = []
    if "t2i" in pool.tasks:
        rivals += retrieval_rivals(found, data.entries, pool.tasks["t2i"].ranks)
    if "edits" in pool.tasks:
        rivals += edit_rivals(found, data.entries, pool.tasks["edits"].ranks)
    return rivals
