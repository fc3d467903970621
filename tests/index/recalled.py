"""How much of an answer another one has: positions alone, where no truth was streamed."""

import numpy as np


def recall_at_k(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact answers that were found.

    Args:
        found: (n, k) positions, -1 = none.
        exact: (n, k) positions of the exact search, -1 = none.

    Returns:
        Mean over all exact answers; 1 when there are none.
    """
    wanted = exact >= 0
    hit = (found[:, None, :] == exact[:, :, None]).any(axis=2) & wanted
    return float(hit.sum() / wanted.sum()) if wanted.any() else 1.0
