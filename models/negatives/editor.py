"""What a source of edits is, and a mixture of several."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.negatives.edited import Edited


@dataclass(frozen=True)
class Caption:
    """A caption to edit; *others* are the other captions of the same image, whose words are true of it too."""

    text: str
    others: tuple[str, ...] = ()


class Editor(Protocol):
    """A source of edits: a language model, rules, a store, or a mixture of them."""

    @property
    def version(self) -> str:
        """Changes whenever its edits would: stored edits of another version are not used."""
        ...

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """Make one edit of each caption, by the lots of *rng* alone.

        Returns:
            As many edits as captions; None where it could not make one.
        """
        ...


class Mixture:
    """Several editors, each caption going to one by lot; what one cannot edit goes to another.

    Args:
        editors: (editor, weight) by name; weights are positive and need not add up to one.

    Raises:
        ValueError: there are none, or a weight is not positive.
    """

    def __init__(self, editors: Mapping[str, tuple[Editor, float]]) -> None:
        if not editors:
            raise ValueError("a mixture needs at least one editor")
        bad = [name for name, (_, weight) in editors.items() if not weight > 0]
        if bad:
            raise ValueError(f"the weight of {', '.join(bad)} is not positive: leave an editor out to never use it")
        self._editors = tuple(editor for editor, _ in editors.values())
        self._weights = np.array([weight for _, weight in editors.values()])
        said = repr([(name, editor.version, float(weight)) for name, (editor, weight) in editors.items()])
        self.version = f"mixture-{hashlib.sha256(said.encode()).hexdigest()[:16]}"

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """One edit of each caption; None where no editor could make one."""
        found: list[Edited | None] = [None] * len(captions)
        # the order of smallest exponential waiting times is a draw by weight without replacement
        order = np.argsort(rng.exponential(size=(len(captions), len(self._editors))) / self._weights, axis=1)
        for turn in range(len(self._editors)):
            for number, editor in enumerate(self._editors):
                rows = [row for row in range(len(captions)) if found[row] is None and order[row, turn] == number]
                if rows:
                    edits = editor.edit([captions[row] for row in rows], rng)
                    for row, edit in zip(rows, edits, strict=True):
                        found[row] = edit
        return found
