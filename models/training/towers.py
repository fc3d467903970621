"""The two towers, built by open_clip from a recipe."""

from typing import Any

from torch import nn

from models.manifest import Preprocess
from models.open_clip_import import import_open_clip
from models.training.parts import ImageTower, ResidualPart, ResNetPart, TimmPart
from models.training.recipe import Recipe, RecipeError

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

    Raises:
        RecipeError: the recipe names a model, or timm does not know the image tower.
    """
    if recipe.image is None or recipe.text is None or recipe.dim is None:
        raise RecipeError("model: the recipe names a model, and has no towers of its own to build")
    import_open_clip()
    from open_clip.model import CLIP

    try:
        towers = CLIP(
            embed_dim=recipe.dim,
            vision_cfg=vision_config(recipe.image),
            text_cfg={
                "context_length": recipe.text.context_length,
                "vocab_size": vocabulary,
                "width": recipe.text.width,
                "heads": recipe.text.heads,
                "layers": recipe.text.layers,
            },
        )
    except RuntimeError as error:
        # timm's word for a name that it does not know
        raise RecipeError(f"image: the tower cannot be built: {error}") from error
    if isinstance(recipe.image, ResidualPart):
        _put_residual(towers.visual, recipe.image, recipe.dim)
    # as open_clip notes it on towers that it loads
    towers.visual.image_mean, towers.visual.image_std = MEAN, STD
    return towers


def vision_config(part: ImageTower) -> dict[str, Any]:
    """The image tower in open_clip's words."""
    if isinstance(part, TimmPart | ResidualPart):
        return {
            "image_size": part.size,
            # open_clip passes timm names only: the body of this small one is taken out again
            "timm_model_name": part.timm if isinstance(part, TimmPart) else "test_resnet",
            "timm_model_pretrained": False,
            "timm_pool": "avg" if isinstance(part, TimmPart) else part.pool,
            "timm_proj": "linear",
        }
    common = {"image_size": part.size, "layers": part.layers, "width": part.width}
    if isinstance(part, ResNetPart):
        # ModifiedResNet's attention pool has width * 32 / head_width heads
        return {**common, "head_width": 32}
    return {**common, "patch_size": part.patch, "head_width": part.head_width}


def _put_residual(tower: nn.Module, part: ResidualPart, dim: int) -> None:
    """Give open_clip's adapter of timm models the body that a recipe describes."""
    from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg

    blocks = tuple(ByoBlockCfg(type="basic", d=1, c=channels, s=2, gs=0, br=1.0) for channels in part.channels)
    shape = ByoModelCfg(blocks=blocks, stem_type="3x3", stem_pool="", stem_chs=part.stem)
    tower.trunk = ByobNet(shape, num_classes=0, global_pool=part.pool, zero_init_last=False)
    tower.head.proj = nn.Linear(part.channels[-1], dim, bias=False)
