"""Hard negatives."""

import numpy as np
import pytest
from hypothesis import given

from models.scenes.captions import describe
from models.scenes.corpus import generate
from models.scenes.edits import EDIT_KINDS, EditKind, changed_words, hard_negatives
from models.scenes.grammar import Scene
from tests.models.scenes.strategies import generators, scenes


@given(scenes(), generators)
def test_a_negative_differs_exactly_where_it_says(scene: Scene, rng: np.random.Generator) -> None:
    """A negative has as many words as its caption, and `changed` names those that differ, at least one."""
    captions = describe(scene, rng)
    for negative in hard_negatives(scene, captions, rng):
        original, edited = captions[negative.caption].text.split(), negative.text.split()
        differing = tuple(place for place in range(len(original)) if original[place] != edited[place])
        assert len(original) == len(edited)
        assert differing == negative.changed
        assert negative.changed


@given(scenes(), generators)
def test_a_negative_is_no_caption(scene: Scene, rng: np.random.Generator) -> None:
    """No negative is worded like a true caption of its scene."""
    captions = describe(scene, rng)
    texts = {caption.text for caption in captions}

    assert not texts & {negative.text for negative in hard_negatives(scene, captions, rng)}


@given(scenes(), generators)
def test_every_caption_has_a_negative(scene: Scene, rng: np.random.Generator) -> None:
    """Each caption of each scene can be made false by replacing an attribute."""
    captions = describe(scene, rng)
    negatives = hard_negatives(scene, captions, rng)

    replaced = {negative.caption for negative in negatives if negative.kind == "attribute-replaced"}
    assert set(range(len(captions))) == replaced


@pytest.mark.parametrize("kind", EDIT_KINDS)
def test_every_kind_of_edit_occurs(kind: EditKind) -> None:
    """Each of the five kinds is made somewhere in a hundred scenes."""
    assert any(each.kind == kind for made in generate("train", 100, 0, 64) for each in made.negatives)


def test_a_flipped_relation_changes_one_phrase() -> None:
    """Flipping a relation turns left into right or above into below, and nothing else."""
    pairs = {("left", "right"), ("above", "below"), ("higher", "lower")}
    for made in generate("train", 50, 1, 64):
        for negative in made.negatives:
            if negative.kind == "relation-flipped":
                original = made.captions[negative.caption].split()
                (place,) = negative.changed
                words = (original[place], negative.text.split()[place])
                assert words in pairs or words[::-1] in pairs


def test_changed_words_need_equal_lengths() -> None:
    """Texts of different lengths cannot be aligned word by word."""
    with pytest.raises(ValueError, match=r"shorter|longer"):
        changed_words("a red circle", "a red circle here")
