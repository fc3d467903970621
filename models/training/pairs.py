"""What towers are trained on: pictures with their captions, wherever they come from."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from models.negatives.editor import Caption
from models.training.views import View


class Pairs(Protocol):
    """N pictures, or clips of F frames, at the side S of the towers' input, and the captions of each."""

    @property
    def captions(self) -> Sequence[tuple[str, ...]]:
        """N tuples of texts, at least one each."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    def pixels(self, rows: np.ndarray, views: Sequence[View] | None = None) -> np.ndarray:
        """Decode *rows* (n,), each through its view when there are views.

        Returns:
            (n, S, S, 3) uint8; of clips (n, F, S, S, 3), whose frames share a view.
        """
        ...

    def caption(self, row: int, choice: int) -> Caption:
        """One caption of a picture, with the others of the same picture."""
        ...


def caption_of(texts: Sequence[str], choice: int) -> Caption:
    """One of a picture's texts, with the others."""
    return Caption(texts[choice], tuple(text for place, text in enumerate(texts) if place != choice))
