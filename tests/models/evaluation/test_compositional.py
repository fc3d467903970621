"""True captions against their edits."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import Bundle
from models.evaluation.compositional import edits_ranked, preference
from models.evaluation.embed import EmbeddedEdits, embed
from models.evaluation.layouts import scenes
from models.scenes.corpus import generate
from models.scenes.edits import EDIT_KINDS
from tests.models.evaluation.made import colours


def test_the_true_caption_must_score_strictly_higher() -> None:
    """A pair counts when the true caption scores above its edit; an equal score counts against the model."""
    image = np.array([1, 0], np.float32)
    true = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.9]], np.float32)
    edited = np.array([[0.8, 0.6], [0.5, 0.9], [0.3, 0.1]], np.float32)

    assert [True, False, False] == preference(image, true, edited).tolist()


@given(st.integers(0, 2**32), st.integers(1, 8))
@settings(max_examples=40)
def test_preference_is_antisymmetric_and_irreflexive(seed: int, pairs: int) -> None:
    """Of a text and its edit at most one is preferred, and none to itself."""
    rng = np.random.default_rng(seed)
    images, true, edited = (rng.integers(-1, 2, (pairs, 3)).astype(np.float32) for _ in range(3))

    one, other = preference(images, true, edited), preference(images, edited, true)

    assert not (one & other).any()
    assert not preference(images, true, true).any()


def test_ranks_are_first_or_second() -> None:
    """A preferred caption ranks first of two, any other second; the units and kinds are the pairs' own."""
    images = np.eye(2, dtype=np.float32)
    texts = np.array([[1, 0], [0, 1]], np.float32)
    edits = EmbeddedEdits(
        np.array([[0.5, 0], [1, 0], [0, 2]], np.float32), np.array([0, 0, 1]), np.array([0, 0, 1]), ["b", "a", "a"],
        [("new",), (), ()],
    )  # fmt: skip

    found = edits_ranked(images, texts, np.array([0, 1]), edits)

    assert ([1, 2, 2], [0, 0, 1]) == (found.ranks, found.images)
    assert {"a": [1, 2], "b": [0], "new": [0]} == found.groups
    assert ["a", "b"] == found.kinds


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_beside_another_image_only_the_text_can_tell(seed: int) -> None:
    """Scored by other images, a pair is preferred as those images prefer it; what it is of stays its own image."""
    rng = np.random.default_rng(seed)
    images, texts, false = (rng.normal(size=(4, 3)).astype(np.float32) for _ in range(3))
    owners = np.arange(4)
    edits = EmbeddedEdits(false, owners, owners, ["kind"] * 4, [()] * 4)

    own, other = edits_ranked(images, texts, owners, edits), edits_ranked(images, texts, owners, edits, owners[::-1])

    assert (2 - preference(images[::-1], texts, false)).tolist() == other.ranks
    assert own.images == other.images


def test_every_edit_of_every_scene_is_compared(tiny_bundle: Path) -> None:
    """The pairs are all the edits that the scenes have, by kind, and by novelty within each kind."""
    made = list(generate("test", 5, seed=3))
    expected = [negative.kind for each in made for negative in each.negatives]
    embedded = embed(Bundle.open(tiny_bundle), scenes.load(5, seed=3).entries, edits=True)

    found = edits_ranked(embedded.images, embedded.texts, embedded.owners, embedded.edits)

    assert {kind: expected.count(kind) for kind in set(expected)} == {
        kind: len(found.groups[kind]) for kind in found.kinds
    }
    assert set(found.kinds) <= set(EDIT_KINDS)
    assert sum(len(rows) for name, rows in found.groups.items() if name in ("seen", "held-back")) == len(expected)
    assert all(set(found.groups.get(f"{kind}, seen", [])) <= set(found.groups[kind]) for kind in found.kinds)


def test_a_model_that_sees_colours_prefers_true_colours(tiny_bundle: Path) -> None:
    """The tiny bundle knows colours: it tells every picture's colour from the next one's."""
    embedded = embed(Bundle.open(tiny_bundle), colours().entries, edits=True)

    assert [1] * 8 == edits_ranked(embedded.images, embedded.texts, embedded.owners, embedded.edits).ranks


def test_a_blind_model_prefers_nothing(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model for which every text is the same prefers no true caption."""
    bundle = Bundle.open(tiny_bundle)
    same = bundle.embed_texts(["red"])

    def blind(texts: list[str]) -> object:
        return type(same)(same.vectors.repeat(len(texts), axis=0), np.zeros(len(texts), bool))

    monkeypatch.setattr(bundle, "embed_texts", blind)
    embedded = embed(bundle, scenes.load(3, seed=3).entries, edits=True)

    found = edits_ranked(embedded.images, embedded.texts, embedded.owners, embedded.edits)

    assert {2} == set(found.ranks)
