"""Small open_clip models of every kind, with random weights."""

import torch
from torch import nn

from models.training.open_clip_import import import_open_clip

CONTEXT = 77
TEXT = {"context_length": CONTEXT, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}


def small_clip(*, quick_gelu: bool = False) -> nn.Module:
    """A vision transformer beside CLIP's causal text tower."""
    import_open_clip()
    from open_clip.model import CLIP

    torch.manual_seed(0)
    vision = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16}
    return CLIP(embed_dim=24, vision_cfg=vision, text_cfg=TEXT, quick_gelu=quick_gelu).eval()


def small_resnet() -> nn.Module:
    """CLIP's ResNet with attention pooling."""
    import_open_clip()
    from open_clip.model import CLIP

    torch.manual_seed(0)
    vision = {"image_size": 64, "layers": (1, 1, 1, 1), "width": 8, "head_width": 32}
    return CLIP(embed_dim=24, vision_cfg=vision, text_cfg=TEXT).eval()


def small_custom() -> nn.Module:
    """Towers of their own, the text one neither causal nor cut: as SigLIP's."""
    import_open_clip()
    from open_clip.model import CustomTextCLIP

    torch.manual_seed(0)
    vision = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16}
    text = {**TEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True}
    return CustomTextCLIP(embed_dim=24, vision_cfg=vision, text_cfg=text, init_logit_bias=-10.0).eval()
