"""The indexes of one collection are planned together: `vilem index plan`, building and publishing all ask here.

What may be kept in memory is given for all of them, and shared.
"""

from collections.abc import Mapping

from index.collection import Collection
from index.errors import PlanImpossible
from index.kinds.spec import Spec
from index.plan import RECALL, Budget, Plan, advised, human, plan, smallest


def plan_collection(collection: Collection, budget: Budget | None = None, recall: float = RECALL) -> dict[str, Plan]:
    """Propose the indexes of a collection's images, texts and moments; those of which there are none are empty.

    Rows that a killed writer left, and that do not count, are planned for: which they are is known when all are read.

    Raises:
        PlanImpossible: they do not fit.
    """
    return plan_shares(rows_of(collection), collection.info.dim, budget, recall)


def rows_of(collection: Collection) -> dict[str, int]:
    """How many vectors are stored for each index."""
    return {
        "images": collection.count(),
        "texts": collection.captions.count_rows(),
        "moments": collection.moments.count(),
    }


def plan_shares(
    rows: Mapping[str, int], dim: int, budget: Budget | None = None, recall: float = RECALL
) -> dict[str, Plan]:
    """Propose indexes of so many *rows* each, of *dim* dimensions.

    Each has what it needs at least, and of the rest what it would have without a limit, or its part of that: shares by rows
    would leave a few captions beside a million images no room for an index.

    Raises:
        PlanImpossible: they do not fit; the message says how much for all would do.
    """
    budget = budget or Budget()
    if budget.memory is None or sum(count > 0 for count in rows.values()) < 2:
        # nobody to share with, or nothing
        return {name: plan(count, dim, budget, recall) for name, count in rows.items()}
    free = budget.model_copy(update={"memory": None})
    wished = {name: plan(count, dim, free, recall) for name, count in rows.items()}
    least = {name: smallest(count, dim, budget, recall) for name, count in rows.items() if count}
    spare = budget.memory - sum(size for _, size in least.values())
    if spare < 0:
        raise PlanImpossible(_too_little(rows, dim, budget.memory, least))
    more = {name: max(wished[name].resident - size, 0) for name, (_, size) in least.items()}
    asked = max(sum(more.values()), 1)
    shares = {name: size + min(more[name], spare * more[name] // asked) for name, (_, size) in least.items()}
    return {
        name: plan(count, dim, budget.model_copy(update={"memory": shares.get(name, 0)}), recall)
        for name, count in rows.items()
    }


def _too_little(rows: Mapping[str, int], dim: int, memory: int, least: Mapping[str, tuple[Spec, int]]) -> str:
    each = ", ".join(f"{rows[name]:,} of {name} {human(size)} as {spec.kind}" for name, (spec, size) in least.items())
    return (
        f"the vectors of {dim} dimensions do not fit {human(memory)}: at least need {each}; "
        f"give {advised(sum(size for _, size in least.values()))} for all"
    )
