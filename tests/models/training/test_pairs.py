"""What towers are trained on."""

from models.training.pairs import caption_of


def test_a_caption_comes_with_the_others_of_its_picture() -> None:
    """The chosen text, and every other one, in their order."""
    assert ("b", ("a", "c")) == (caption_of(("a", "b", "c"), 1).text, caption_of(("a", "b", "c"), 1).others)
    assert ("d", ()) == (caption_of(("d",), 0).text, caption_of(("d",), 0).others)
