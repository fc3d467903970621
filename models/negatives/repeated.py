"""Captions with more than one error: an editor's edits, edited again."""

from collections.abc import Sequence

import numpy as np

from models.negatives.edited import Edited, edited_again
from models.negatives.editor import Caption, Editor

_REARRANGE = frozenset(("swap", "relation"))


class Repeated:
    """Edits some of another editor's edits again, so that a text teaches more than one word at a time.

    A single error is the hardest negative for the embedding; many errors give the word-level losses more to learn from
    one encoded text, and with words wrong nearly as often as right, less to guess without the image: a share between 0
    and 1 mixes both. Later edits only put other words in: a swap undoes a swap
    in other words ("a cat left of a dog", "a dog right of a cat"), and what is left would be true.

    Args:
        editor: makes every edit.
        share: of the captions that are edited several times.
        most: edits of one caption; how many is drawn from 2 to this, each as likely.

    Raises:
        ValueError: a share outside [0, 1], or *most* below 2.
    """

    def __init__(self, editor: Editor, share: float, most: int = 8) -> None:
        if not 0 <= share <= 1 or most < 2:
            raise ValueError(f"share {share} must lie in [0, 1], and most {most} be at least 2")
        self._editor = editor
        self._share = share
        self._most = most
        self.version = f"repeated-4-{share:g}-{most}-{editor.version}"

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """At least one edit of each caption; None where the editor could make none."""
        edits = self._editor.edit(captions, rng)
        several = rng.random(len(captions)) < self._share
        wanted = np.where(several, rng.integers(2, self._most, len(captions), endpoint=True), 1)
        for done in range(1, self._most):
            going = [row for row, edit in enumerate(edits) if edit is not None and done < wanted[row]]
            if not going:
                break
            again = self._editor.edit([_edited(captions[row], edits[row]) for row in going], rng)
            for row, edit in zip(going, again, strict=True):
                edits[row] = _both(captions[row], edits[row], edit)
        return edits


def _edited(caption: Caption, edit: Edited | None) -> Caption:
    assert edit is not None
    # the original is true of the image too: what it says must not be put in again as an error
    return Caption(edit.text, (*caption.others, caption.text))


def _both(caption: Caption, first: Edited | None, second: Edited | None) -> Edited | None:
    if first is None or second is None or second.kind in _REARRANGE:
        return first
    return edited_again(caption.text, first, second) or first
