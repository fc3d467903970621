"""Squares of one colour, which the tiny bundle knows by name."""

from collections.abc import Sequence

import numpy as np

from models.negatives.editor import Caption
from models.training.pairs import caption_of
from models.training.views import View
from tests.support.tiny_bundle import COLOURS


class ColourPairs:
    """One picture of each colour, with one or two captions; `asked` tells which rows were decoded.

    Args:
        size: side S of the pictures.
    """

    def __init__(self, size: int) -> None:
        self.captions = [
            (name,) if place % 2 else (name, f"a photo of the {name} square") for place, name in enumerate(COLOURS)
        ]
        self.asked: list[int] = []
        self._size = size

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.captions)

    def pixels(self, rows: np.ndarray, views: Sequence[View] | None = None) -> np.ndarray:
        """See `training.pairs`."""
        self.asked.extend(rows.tolist())
        colours = np.array(list(COLOURS.values()), np.uint8)[rows]
        return np.broadcast_to(colours[:, None, None], (len(rows), self._size, self._size, 3))

    def caption(self, row: int, choice: int) -> Caption:
        """See `training.pairs`."""
        return caption_of(self.captions[row], choice)
