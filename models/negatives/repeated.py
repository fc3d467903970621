"""Captions with more than one error: an editor's edits, edited again."""

from collections.abc import Sequence

import numpy as np

from models.negatives.edited import Edited, edited_again
from models.negatives.editor import Caption, Editor

_REARRANGE = frozenset(("swap", "relation"))


class Repeated:
    """Edits some of another editor's edits again, so that a text teaches more than one word at a time.

    A single error is the hardest negative for the embedding, several errors give the word-level losses more to learn
    from one encoded text: a share between 0 and 1 mixes both. Later edits only put other words in: a swap undoes a swap
    in other words ("a cat left of a dog", "a dog right of a cat"), and what is left would be true.

    Args:
        editor: makes every edit.
        share: of the edits that are edited once more, and of those once more, and so on.
        most: edits of one caption.

    Raises:
        ValueError: a share outside [0, 1], or *most* below 1.
    """

    def __init__(self, editor: Editor, share: float, most: int = 4) -> None:
        if not 0 <= share <= 1 or most < 1:
            raise ValueError(f"share {share} must lie in [0, 1], and most {most} be at least 1")
        self._editor = editor
        self._share = share
        self._most = most
        self.version = f"repeated-2-{share:g}-{most}-{editor.version}"

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """At least one edit of each caption; None where the editor could make none."""
        edits = self._editor.edit(captions, rng)
        going = list(range(len(captions)))
        for _ in range(self._most - 1):
            going = [row for row in going if edits[row] is not None and rng.random() < self._share]
            again = self._editor.edit([_edited(captions[row], edits[row]) for row in going], rng)
            for row, edit in zip(going, again, strict=True):
                edits[row] = _both(edits[row], edit)
        return edits


def _edited(caption: Caption, edit: Edited | None) -> Caption:
    assert edit is not None
    # the original is true of the image too: what it says must not be put in again as an error
    return Caption(edit.text, (*caption.others, caption.text))


def _both(first: Edited | None, second: Edited | None) -> Edited | None:
    if first is None or second is None or second.kind in _REARRANGE:
        return first
    return edited_again(first, second) or first
