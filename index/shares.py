"""The indexes of one collection are planned together: `vilem index plan`, building and publishing all ask here.

What may be kept in memory is given for all of them, and they share it by their rows.
"""

from collections.abc import Mapping

from index.collection import Collection
from index.errors import PlanImpossible
from index.plan import RECALL, Budget, Plan, advised, human, plan, smallest


def plan_collection(collection: Collection, budget: Budget | None = None, recall: float = RECALL) -> dict[str, Plan]:
    """Propose the indexes of a collection's images, texts and moments; those of which there are none are empty.

    Rows that a killed writer left, and that do not count, are planned for: which they are is known when all are read.

    Raises:
        PlanImpossible: one of them does not fit its share.
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

    Raises:
        PlanImpossible: one of them does not fit its share; the message says how much for all would do.
    """
    budget = budget or Budget()
    shares = {name: _share(budget, count, sum(rows.values())) for name, count in rows.items()}
    if sum(count > 0 for count in rows.values()) > 1:
        _expect_room(rows, dim, budget, shares, recall)
    return {name: plan(count, dim, shares[name], recall) for name, count in rows.items()}


def _share(budget: Budget, rows: int, of: int) -> Budget:
    return budget if budget.memory is None else budget.model_copy(update={"memory": budget.memory * rows // max(of, 1)})


def _expect_room(
    rows: Mapping[str, int], dim: int, budget: Budget, shares: Mapping[str, Budget], recall: float
) -> None:
    total = sum(rows.values())
    least = {name: smallest(count, dim, budget, recall) for name, count in rows.items() if count}
    # the share of what is given for all reaches what is needed from here on
    needed = {name: -(-size * total // rows[name]) for name, (_, size) in least.items()}
    tightest = max(needed, key=needed.__getitem__)
    if budget.memory is None or budget.memory >= needed[tightest]:
        return
    spec, size = least[tightest]
    raise PlanImpossible(
        f"{rows[tightest]:,} x {dim} vectors of {tightest} do not fit {human(shares[tightest].memory or 0)}, which is their "
        f"share by rows of {human(budget.memory)}: {spec.kind} needs {human(size)}; give {advised(needed[tightest])} for all"
    )
