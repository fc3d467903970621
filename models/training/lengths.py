"""Texts of near length together: what is padded to the longest of a batch is half padding, and a CPU pays for all of it."""

from collections.abc import Sequence

import torch
from torch.nn import functional

# more would save little padding and make each product small
_GROUPS = 4
# a part of fewer rows costs more in calls than its padding
_LEAST = 8


def by_length(lengths: torch.Tensor) -> list[tuple[torch.Tensor, int]]:
    """Part a batch into rows of near length, on the CPU; a GPU prefers one large product.

    Args:
        lengths: [b] of the rows.

    Returns:
        (rows, longest) of each part; every row is in one of them.
    """
    count = len(lengths)
    parts = min(_GROUPS, count // _LEAST) if lengths.device.type == "cpu" else 1
    if parts < 2:
        return [(torch.arange(count, device=lengths.device), int(lengths.max()) if count else 0)]
    order = lengths.argsort(stable=True)
    return [(rows, int(lengths[rows].max())) for rows in order.tensor_split(parts)]


def together(rows: Sequence[torch.Tensor], parts: Sequence[torch.Tensor], length: int) -> torch.Tensor:
    """Put back together what was made of each part, in the order of the batch.

    Args:
        rows: of each part, see `by_length`.
        parts: [n, l, w] of each, l at most *length*.
        length: to which all are padded with zeros.

    Returns:
        [b, length, w].
    """
    padded = [functional.pad(part, (0, 0, 0, length - part.shape[1])) for part in parts]
    return restored(rows, padded)


def restored(rows: Sequence[torch.Tensor], parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Parts [n, …] of equal shapes in the order of the batch."""
    return torch.cat(list(parts))[torch.cat(list(rows)).argsort()]
