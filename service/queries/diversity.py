"""Maximal marginal relevance: what is shown next is near to the query and unlike what is shown already.

Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing summaries", SIGIR 1998:
argmax of lambda x Sim1(D, Q) - (1 - lambda) x max over the chosen of Sim2(D, D'). Sim2 is the cosine of two hits. Sim1 is the score
scaled to [0, 1] over the candidates: a text's cosines to its images lie within a tenth of each other, those of images
among themselves between 0.5 and 1, and lambda would have another meaning for each model, and for fused scores.
"""

import numpy as np


def diverse_order(scores: np.ndarray, vectors: np.ndarray, trade: float) -> list[int]:
    """Places of n candidates in their new order; of equals the one that came first.

    Args:
        scores: (n,) finite, falling; of any kind.
        vectors: (n, d) unit vectors, or zeros, which are like nothing.
        trade: lambda in [0, 1]; 1 leaves the order as it is.
    """
    spread = np.ptp(scores) if len(scores) else 0.0
    relevance = (scores - scores.min()) / spread if spread > 0 else np.zeros(len(scores))
    nearest = np.full(len(scores), -np.inf)
    # nothing is chosen yet: likeness says nothing of the first
    gain = trade * relevance
    order: list[int] = []
    for _ in range(len(scores)):
        gain[order] = -np.inf
        best = int(np.argmax(gain))
        order.append(best)
        nearest = np.maximum(nearest, vectors @ vectors[best])
        gain = trade * relevance - (1 - trade) * nearest
    return order
