"""Features of the towers against open_clip's own encode functions, for every kind of tower."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from models.open_clip_import import import_open_clip
from models.training.features import image_features, level_indices, normalised, text_features
from models.training.towers import build_towers
from tests.models.training.small import small_recipe

VOCABULARY = 300
CONTEXT = 64
LENGTHS = (2, 9, 5, 64)
SIZE = 64
TEXT: dict[str, Any] = {"context_length": CONTEXT, "vocab_size": VOCABULARY, "width": 16, "heads": 2, "layers": 2}
TRANSFORMER: dict[str, Any] = {"image_size": SIZE, "patch_size": 16, "width": 32, "layers": 6, "head_width": 16}
TIMM: dict[str, Any] = {"image_size": SIZE, "timm_model_pretrained": False, "timm_pool": "avg", "timm_proj": "linear"}


def make_resnet(folder: Path) -> nn.Module:
    """The recipe's own: ModifiedResNet and CLIP's text tower."""
    return build_towers(small_recipe(folder), VOCABULARY)


def make_transformer(_: Path) -> nn.Module:
    """CLIP's vision transformer."""
    from open_clip.model import CLIP

    return CLIP(24, TRANSFORMER, TEXT)  # pyright: ignore[reportArgumentType] # open_clip takes dicts


def make_convnext(_: Path) -> nn.Module:
    """A timm ConvNeXt."""
    from open_clip.model import CLIP

    return CLIP(24, {**TIMM, "timm_model_name": "convnext_atto"}, TEXT)  # pyright: ignore[reportArgumentType]


def make_inside_whole(_: Path) -> nn.Module:
    """A text tower inside the model that sees the whole text and is pooled at its last place, as CLIPA's."""
    from open_clip.model import CLIP

    return CLIP(24, TRANSFORMER, {**TEXT, "no_causal_mask": True, "pool_type": "last"})  # pyright: ignore[reportArgumentType]


def make_own_text(_: Path) -> nn.Module:
    """A text tower of its own that is not causal, as SigLIP's."""
    from open_clip.model import CustomTextCLIP

    text = {**TEXT, "no_causal_mask": True, "pool_type": "last"}
    return CustomTextCLIP(24, TRANSFORMER, text)  # pyright: ignore[reportArgumentType]


def make_coca(_: Path) -> nn.Module:
    """CoCa: attentional pooling, and a text tower that appends a class token."""
    from open_clip.coca_model import CoCa

    vision = {**TRANSFORMER, "attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True}
    text = {**TEXT, "embed_cls": True, "output_tokens": True, "context_length": CONTEXT}
    decoder = {"width": 16, "heads": 2, "layers": 1, "vocab_size": VOCABULARY, "context_length": CONTEXT}
    return CoCa(24, decoder, text, vision)  # pyright: ignore[reportArgumentType]


MAKERS = [make_resnet, make_transformer, make_convnext, make_inside_whole, make_own_text, make_coca]


@pytest.fixture(scope="module", params=MAKERS, ids=lambda maker: maker.__name__.removeprefix("make_"))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """A small model of each kind, with seeded weights, ready to evaluate."""
    import_open_clip()
    torch.manual_seed(0)
    return request.param(tmp_path_factory.mktemp("recipe")).eval()


@pytest.fixture(scope="module")
def ids() -> torch.Tensor:
    """Token rows of different lengths, each ended by the greatest id and then padded."""
    rows = torch.zeros(len(LENGTHS), CONTEXT, dtype=torch.long)
    for row, length in zip(rows, LENGTHS, strict=True):
        row[:length] = torch.randint(1, VOCABULARY - 2, (length,))
        row[length - 1] = VOCABULARY - 1
    return rows


def test_texts_equal_open_clips(model: nn.Module, ids: torch.Tensor) -> None:
    """At the full context the embeddings are those of open_clip's encode_text; every token has its features."""
    with torch.no_grad():
        found = text_features(model, ids)
        torch.testing.assert_close(model.encode_text(ids, normalize=True), found.embedding)

    assert ids.shape == found.tokens.shape[:2]


def test_images_equal_open_clips(model: nn.Module) -> None:
    """With levels and without, the embeddings are those of open_clip's encode_image; levels come shallow to deep."""
    pixels = torch.randn(3, 3, SIZE, SIZE)
    levels = level_indices(model, 3)

    with torch.no_grad():
        expected = model.encode_image(pixels, normalize=True)
        found = image_features(model, pixels, levels)
        torch.testing.assert_close(expected, found.embedding)
        torch.testing.assert_close(expected, image_features(model, pixels, ()).embedding)

    assert 3 == len(found.levels)
    assert all(4 == level.ndim and 3 == len(level) for level in found.levels)
    sides = [level.shape[2] for level in found.levels]
    assert sorted(sides, reverse=True) == sides


@pytest.mark.parametrize("length", [9, 12, 63])
def test_padding_is_not_seen(tmp_path: Path, ids: torch.Tensor, length: int) -> None:
    """Columns after the longest text change nothing in a causal tower: a batch may be cut to it."""
    model, short = make_resnet(tmp_path).eval(), ids[:3]

    with torch.no_grad():
        whole, cut = text_features(model, short), text_features(model, short[:, :length])

    torch.testing.assert_close(whole.embedding, cut.embedding)
    torch.testing.assert_close(whole.tokens[:, :length], cut.tokens)


@pytest.mark.parametrize(("blocks", "count", "expected"), [(12, 3, [3, 7, 11]), (4, 4, [0, 1, 2, 3]), (7, 1, [6])])
def test_levels_of_equal_maps_are_evenly_spaced(blocks: int, count: int, expected: list[int]) -> None:
    """A transformer is read after a third, two thirds and the whole of its depth; one level is the last block."""
    visual = SimpleNamespace(transformer=SimpleNamespace(resblocks=[None] * blocks))

    assert expected == level_indices(cast(nn.Module, SimpleNamespace(visual=visual)), count)


def test_levels_of_stages_are_the_last(tmp_path: Path) -> None:
    """Of a tower whose stages halve the map the last ones are read, the first know little yet."""
    assert [2, 3, 4] == level_indices(make_resnet(tmp_path), 3)


def test_pixels_are_normalised_as_the_manifest_says(tmp_path: Path) -> None:
    """Black, grey and white become -2, near 0 and 2: a mean of one half, a deviation of one quarter, channels first."""
    towers = build_towers(small_recipe(tmp_path), 300)
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 2, 2, 3)

    found = normalised(towers, pixels)

    assert (3, 3, 2, 2) == found.shape
    assert pytest.approx([-2, 0, 2], abs=0.02) == found[:, 0, 0, 0].tolist()
