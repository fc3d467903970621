"""Small open_clip models of both shapes, with random weights: text tower inside, and text tower of its own."""

from typing import TYPE_CHECKING, Any

import torch

from models.open_clip_import import import_open_clip

if TYPE_CHECKING:
    from open_clip.model import CLIP, CustomTextCLIP

CONTEXT = 77
VISION: dict[str, Any] = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}
TEXT: dict[str, Any] = {"context_length": CONTEXT, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}


def small_clip(*, quick_gelu: bool = False) -> "CLIP":
    """A vision transformer beside CLIP's causal text tower."""
    import_open_clip()
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    torch.manual_seed(0)
    return CLIP(24, CLIPVisionCfg(**VISION), CLIPTextCfg(**TEXT), quick_gelu=quick_gelu).eval()


def small_custom(**options: object) -> "CustomTextCLIP":
    """Towers of their own, the text one neither causal nor cut, as SigLIP's; *options* change its configuration."""
    import_open_clip()
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP

    torch.manual_seed(0)
    text: dict[str, Any] = {**TEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True, **options}
    return CustomTextCLIP(24, CLIPVisionCfg(**VISION), CLIPTextCfg(**text), init_logit_bias=-10.0).eval()
