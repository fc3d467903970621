"""A batch in parts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.training.chunks import joined, sections, split
from tests.models.training.tiny import tiny_batches

BATCH = tiny_batches(per_caption=2).batch(0)


@given(size=st.integers(0, 12))
def test_parts_put_together_are_the_batch(size: int) -> None:
    """Whatever the size, pairs, edited texts and corrections come once, in their order, with the right owner."""
    parts = split(BATCH, size)
    first, texts = 0, 0
    assert BATCH.edited is not None
    for part in parts:
        assert part.edited is not None
        own = slice(first, first + len(part.ids))
        torch.testing.assert_close(BATCH.pixels[own], part.pixels)
        torch.testing.assert_close(BATCH.rows[own], part.rows)
        many = slice(texts, texts + len(part.edited.ids))
        torch.testing.assert_close(BATCH.edited.owner[many] - first, part.edited.owner)
        for name in ("ids", "word_of", "there", "wrong"):
            torch.testing.assert_close(getattr(BATCH.edited, name)[many], getattr(part.edited, name))
        assert part.edited.wrong[*part.edited.places.T].all()
        first, texts = own.stop, many.stop

    assert (len(BATCH.ids), len(BATCH.edited.ids)) == (first, texts)
    words = torch.cat([part.edited.words for part in parts if part.edited is not None])
    torch.testing.assert_close(BATCH.edited.words, words)


@pytest.mark.parametrize("size", [0, 8, 100])
def test_a_batch_that_fits_is_not_copied(size: int) -> None:
    """No size, or one that holds it all, gives the batch itself."""
    (only,) = split(BATCH, size)

    assert only is BATCH


def test_vectors_are_joined_and_cut_again() -> None:
    """What is joined by name can be cut to the parts it came from, also where a part has none."""
    parts = [
        {"images": torch.ones(2, 3), "wrong": torch.ones(0, 3)},
        {"images": torch.zeros(1, 3), "wrong": torch.ones(2, 3)},
    ]

    whole = joined(parts)

    assert ((3, 3), (2, 3)) == (whole["images"].shape, whole["wrong"].shape)
    for part, again in zip(parts, sections(parts, whole), strict=True):
        for name, value in part.items():
            torch.testing.assert_close(value, again[name])
