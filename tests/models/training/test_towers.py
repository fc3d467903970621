"""The towers against open_clip's own encode functions."""

from pathlib import Path

import pytest
import torch
from torch import nn

from models.training.towers import build_towers, encode_images, encode_texts
from tests.models.training.small import small_recipe

VOCABULARY = 300
CONTEXT = 64
LENGTHS = (2, 9, 5, 64)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """Small towers with seeded weights, ready to evaluate."""
    torch.manual_seed(0)
    return build_towers(small_recipe(tmp_path_factory.mktemp("recipe")), VOCABULARY).eval()


@pytest.fixture(scope="module")
def ids() -> torch.Tensor:
    """Token rows of different lengths, each ended by the greatest id and then padded."""
    rows = torch.zeros(len(LENGTHS), CONTEXT, dtype=torch.long)
    for row, length in zip(rows, LENGTHS, strict=True):
        row[:length] = torch.randint(1, VOCABULARY - 2, (length,))
        row[length - 1] = VOCABULARY - 1
    return rows


def test_texts_equal_open_clips(model: nn.Module, ids: torch.Tensor) -> None:
    """At the full context the embeddings are those of open_clip's encode_text."""
    with torch.no_grad():
        torch.testing.assert_close(model.encode_text(ids, normalize=True), encode_texts(model, ids))


@pytest.mark.parametrize("length", [9, 12, 63])
def test_padding_is_not_seen(model: nn.Module, ids: torch.Tensor, length: int) -> None:
    """Columns after the longest text change nothing: a batch may be cut to it."""
    short = ids[:3]

    with torch.no_grad():
        torch.testing.assert_close(encode_texts(model, short), encode_texts(model, short[:, :length]))


def test_images_equal_open_clips(model: nn.Module) -> None:
    """The embeddings are those of open_clip's encode_image, of unit norm and the recipe's dimension."""
    pixels = torch.randn(3, 3, 64, 64)

    with torch.no_grad():
        found = encode_images(model, pixels)
        torch.testing.assert_close(model.encode_image(pixels, normalize=True), found)

    assert (3, 16) == found.shape
    torch.testing.assert_close(torch.ones(3), found.norm(dim=1))


def test_equal_seeds_give_equal_weights(tmp_path: Path, model: nn.Module) -> None:
    """The weights a run begins with are determined by the seed."""
    torch.manual_seed(0)
    again = build_towers(small_recipe(tmp_path), VOCABULARY)

    for name, value in again.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=0)
