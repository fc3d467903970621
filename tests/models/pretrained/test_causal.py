"""Text towers that need no padding."""

from models.pretrained.causal import is_causal, text_tower
from tests.models.export.towers import small_clip, small_custom


def test_causal_is_what_open_clip_s_own_tower_is() -> None:
    """CLIP's tower may be cut; one of its own may not."""
    assert is_causal(small_clip())
    assert not is_causal(small_custom())


def test_a_causal_tower_of_its_own_is_cut_too() -> None:
    """CLIP's text tower under the name `text` is causal, unless it appends a class token or pools elsewhere."""
    assert is_causal(small_custom(no_causal_mask=False, pool_type="argmax"))
    assert not is_causal(small_custom(no_causal_mask=False, pool_type="last"))
    assert not is_causal(small_custom(no_causal_mask=False, pool_type="argmax", embed_cls=True))


def test_a_text_tower_is_found_wherever_it_is() -> None:
    """Among the model's own parts, or in its `text`."""
    inside, beside = small_clip(), small_custom()

    assert inside is text_tower(inside)
    assert beside.text is text_tower(beside)
