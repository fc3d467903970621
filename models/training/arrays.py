"""Pictures that are decoded already, by memory map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.negatives.editor import Caption
from models.training.pairs import caption_of
from models.training.views import View, look


@dataclass(frozen=True)
class PixelArrays:
    """Pictures as an array; implements `models.training.pairs.Pairs`.

    Attributes:
        images: (N, S, S, 3) uint8, memory-mapped.
        captions: N tuples of texts.
    """

    images: np.ndarray
    captions: list[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.captions)

    def pixels(self, rows: np.ndarray, views: Sequence[View] | None = None) -> np.ndarray:
        """See `models.training.pairs.Pairs`."""
        if views is None:
            return np.array(self.images[rows])
        pairs = zip(self.images[rows], views, strict=True)
        return np.stack([look(Image.fromarray(image), view, image.shape[0]) for image, view in pairs])

    def caption(self, row: int, choice: int) -> Caption:
        """One caption of a picture, with the others of the same picture."""
        return caption_of(self.captions[row], choice)
