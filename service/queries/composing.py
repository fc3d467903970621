"""Vectors put together: weighted sums of unit vectors. All that a query may be made of comes down to them.

Parts are a sum as they stand. A change counts as two parts, weight x T(to) and -weight x T(from). Feedback is Rocchio's rule
("Relevance feedback in information retrieval", 1971), alpha q + beta mean(liked) - gamma mean(disliked): the query and each item, whose
weight is its share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.errors import QueryInvalid

# Of the weights' sum. What is left of opposites below it is the rounding of stored vectors, which leads anywhere.
_NOTHING = 1e-3


@dataclass(frozen=True)
class Term:
    """A unit vector (d,) float32, and how much it counts."""

    vector: np.ndarray
    weight: float


def composed(terms: Sequence[Term], field: str) -> np.ndarray:
    """The sum of weight x vector, of unit length: (d,) float32.

    Raises:
        QueryInvalid: nothing is left of it, since its terms cancel each other; names *field*.
    """
    weights = np.array([term.weight for term in terms], np.float64)
    whole = np.abs(weights).sum()
    if whole > 0:
        # weights first, so that neither large nor small ones leave the numbers there are
        total = (weights / whole) @ np.stack([term.vector for term in terms]).astype(np.float64)
        length = float(np.linalg.norm(total))
        if length > _NOTHING:
            return (total / length).astype(np.float32)
    raise QueryInvalid(
        field, "nothing is left of the query: its parts cancel each other; change their weights, or leave out opposites"
    )


def moved(
    query: np.ndarray | None,
    liked: Sequence[np.ndarray],
    disliked: Sequence[np.ndarray],
    weights: tuple[float, float, float],
    field: str,
) -> np.ndarray:
    """A query moved by what somebody said of items: (d,) float32 of unit norm; see this module's head.

    Args:
        query: (d,) float32 of unit norm; None = nothing but what was liked was given.
        liked: vectors of the same kind.
        disliked: and those to be away from.
        weights: alpha, beta and gamma.
        field: of the request, for the message.

    Raises:
        QueryInvalid: as `composed`.
    """
    alpha, beta, gamma = weights
    own = [] if query is None else [Term(query, alpha)]
    nearer = [Term(vector, beta / len(liked)) for vector in liked]
    away = [Term(vector, -gamma / len(disliked)) for vector in disliked]
    return composed([*own, *nearer, *away], field)
