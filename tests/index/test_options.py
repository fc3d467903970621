"""index.options: bounds that make sense."""

import pytest

from index.options import EmbedOptions


@pytest.mark.parametrize("name", ["image_batch", "text_batch", "readers", "window", "chunk_rows"])
def test_bounds_are_at_least_one(name: str) -> None:
    """A bound of nothing would stand still; it is refused by name."""
    with pytest.raises(ValueError, match=f"{name} is 0"):
        EmbedOptions(**{name: 0})  # pyright: ignore[reportArgumentType]


def test_the_defaults_are_valid() -> None:
    """A job without options runs, and refuses images of more than 100 megapixels."""
    assert 100_000_000 == EmbedOptions().limits.max_pixels
