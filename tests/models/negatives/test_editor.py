"""Mixtures of editors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from models.negatives.edited import Edited, Replacement, replaced
from models.negatives.editor import Caption, Mixture


@dataclass
class Says:
    """Puts its own word in place of the first; refuses captions that hold *cannot*."""

    word: str
    cannot: str = "\0"

    @property
    def version(self) -> str:
        """Its word."""
        return self.word

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """One edit for each."""
        return [
            None if self.cannot in each.text else replaced(each.text, [Replacement(0, 1, self.word)], self.word)
            for each in captions
        ]


CAPTIONS = [Caption("dogs run")] * 400


def test_weights_are_shares() -> None:
    """Each editor edits its share of the captions."""
    edits = Mixture({"a": (Says("cats"), 3), "b": (Says("cows"), 1)}).edit(CAPTIONS, np.random.default_rng(0))

    assert 270 <= sum(edit is not None and edit.kind == "cats" for edit in edits) <= 330


def test_what_one_cannot_edit_another_does() -> None:
    """Where an editor gives none the others are asked; only where all give none there is none."""
    mixture = Mixture({"a": (Says("cats", "dogs"), 1000), "b": (Says("cows", "owls"), 1)})

    dogs, owls = mixture.edit([Caption("dogs run"), Caption("owls, dogs")], np.random.default_rng(0))

    assert dogs is not None and "cows run" == dogs.text
    assert owls is None


def test_a_mixture_is_decided_by_its_lots() -> None:
    """Equal generators give equal edits."""
    mixture = Mixture({"a": (Says("cats"), 1), "b": (Says("cows"), 1)})

    assert mixture.edit(CAPTIONS, np.random.default_rng(7)) == mixture.edit(CAPTIONS, np.random.default_rng(7))


def test_the_version_follows_parts_and_weights() -> None:
    """Another part or weight is another version."""
    versions = {Mixture({"a": (Says("cats"), 1), "b": (Says("cows"), weight)}).version for weight in (1, 2)} | {
        Mixture({"a": (Says("owls"), 1), "b": (Says("cows"), 1)}).version
    }

    assert 3 == len(versions)


def test_weights_must_be_positive() -> None:
    """No editor, or a weight of zero, is refused by name."""
    with pytest.raises(ValueError, match="at least one"):
        Mixture({})
    with pytest.raises(ValueError, match="weight of b is not positive"):
        Mixture({"a": (Says("cats"), 1), "b": (Says("cows"), 0)})
