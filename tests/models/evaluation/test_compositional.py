"""True captions against their edits."""

from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.evaluation.compositional import Told, preference, scene_edits
from models.scenes.corpus import generate
from models.scenes.edits import EDIT_KINDS


def test_the_true_caption_must_score_strictly_higher() -> None:
    """A pair counts when the true caption scores above its edit; an equal score counts against the model."""
    image = np.array([1, 0], np.float32)
    true = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.9]], np.float32)
    edited = np.array([[0.8, 0.6], [0.5, 0.9], [0.3, 0.1]], np.float32)

    assert [True, False, False] == preference(image, true, edited).tolist()


def test_every_edit_of_every_scene_is_compared(tiny_bundle: Path) -> None:
    """The pairs are all the edits that the scenes have, by kind."""
    expected = [negative.kind for each in generate("test", 5, seed=3) for negative in each.negatives]

    found = scene_edits(Bundle.open(tiny_bundle), 5, seed=3)

    assert {kind: expected.count(kind) for kind in set(expected)} == {kind: told.pairs for kind, told in found.items()}
    assert set(found) <= set(EDIT_KINDS)
    assert all(0 <= told.share <= 1 for told in found.values())


def test_a_blind_model_prefers_nothing(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model for which every text is the same prefers no true caption."""
    bundle = Bundle.open(tiny_bundle)
    same = bundle.embed_texts(["red"])

    def blind(texts: list[str]) -> object:
        return type(same)(same.vectors.repeat(len(texts), axis=0), np.zeros(len(texts), bool))

    monkeypatch.setattr(bundle, "embed_texts", blind)

    assert {0.0} == {told.share for told in scene_edits(bundle, 3, seed=3).values()}


def test_a_share_is_a_value() -> None:
    """Two equal outcomes are equal."""
    assert Told(2, 0.5) == Told(2, 0.5)
