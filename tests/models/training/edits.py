"""An editor for tests that needs no lexicon: it puts one colour for another."""

from collections.abc import Sequence

import numpy as np

from models.negatives.edited import Edited, aligned
from models.negatives.editor import Caption
from models.scenes.grammar import COLOURS


class ColourEditor:
    """Replaces the first colour of a caption; where there is none, there is no edit."""

    version = "test-colours-1"

    def __init__(self, colours: Sequence[str] = COLOURS) -> None:
        self._colours = colours

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """One edit for each caption."""
        return [self._one(caption.text, rng) for caption in captions]

    def _one(self, text: str, rng: np.random.Generator) -> Edited | None:
        there = [colour for colour in self._colours if f" {colour} " in f" {text} "]
        if not there:
            return None
        old = min(there, key=text.index)
        new = str(rng.choice([colour for colour in self._colours if colour != old]))
        return aligned(text, text.replace(old, new, 1), "attribute")
