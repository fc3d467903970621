"""Rendered scenes as a data set."""

from models.evaluation.layouts.scenes import load
from models.scenes.captions import KINDS
from models.scenes.corpus import generate


def test_scenes_are_labelled_by_kind_novelty_and_size() -> None:
    """Each rendered scene has one caption of each kind; all say whether it shows something new, and how many objects."""
    for each, made in zip(load(12, seed=3).entries, generate("test", 12, seed=3), strict=True):
        novelty = "held-back" if made.scene.held_back else "seen"
        count = len(made.scene.objects)
        expected = [(kind, novelty, "1 object" if count == 1 else f"{count} objects") for kind in KINDS]
        assert expected == list(each.labels)


def test_scenes_are_determined_by_their_seed() -> None:
    """Equal arguments give equal bytes and texts; another seed gives others."""
    one, again, other = load(2, seed=3), load(2, seed=3), load(2, seed=4)

    assert one.entries == again.entries
    assert [each.read() for each in one.entries] == [each.read() for each in again.entries]
    assert one.entries != other.entries


def test_every_edit_of_every_caption_is_there() -> None:
    """The edits are those of the corpus, each with its caption."""
    for each, made in zip(load(6, seed=3).entries, generate("test", 6, seed=3), strict=True):
        expected = [(edit.text, edit.kind, edit.caption) for edit in made.negatives]
        assert expected == [(edit.text, edit.kind, edit.caption) for edit in each.edits]


def test_the_source_says_how_to_make_them_again() -> None:
    """The report's reader learns the number, the seed and the split."""
    found = load(2, seed=9, split="val")

    assert ("2 rendered scenes, seed 9", "scenes", "val") == (found.source, found.layout, found.split)
