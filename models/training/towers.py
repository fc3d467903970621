"""The two towers, built by open_clip from a recipe."""

from torch import nn

from models.manifest import Preprocess
from models.open_clip_import import import_open_clip
from models.training.recipe import Recipe

MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)


def preprocess_of(towers: nn.Module, size: int) -> Preprocess:
    """How an image becomes the towers' input of side *size*."""
    return Preprocess(size=size, mean=tuple(towers.visual.image_mean), std=tuple(towers.visual.image_std))


def build_towers(recipe: Recipe, vocabulary: int) -> nn.Module:
    """An `open_clip.model.CLIP` with fresh weights.

    Args:
        recipe: sizes of both towers.
        vocabulary: entries of the tokenizer; its last one is the end-of-text marker.
    """
    import_open_clip()
    from open_clip.model import CLIP

    towers = CLIP(
        embed_dim=recipe.dim,
        vision_cfg={
            "image_size": recipe.image.size,
            "layers": recipe.image.layers,
            "width": recipe.image.width,
            # ModifiedResNet's attention pool has width * 32 / head_width heads
            "head_width": 32,
        },
        text_cfg={
            "context_length": recipe.text.context_length,
            "vocab_size": vocabulary,
            "width": recipe.text.width,
            "heads": recipe.text.heads,
            "layers": recipe.text.layers,
        },
    )
    # as open_clip notes it on towers that it loads
    towers.visual.image_mean, towers.visual.image_std = MEAN, STD
    return towers
