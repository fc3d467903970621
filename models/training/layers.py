"""How high in its tower a weight lies, for learning rates that fall with the depth."""

from typing import Any

from torch import nn

# names as open_clip's towers and transformers' text models have them, in the words of timm's `group_matcher`: what matches
# neither is above all blocks, such as a last norm, a pooling or a projection
_MATCHER: dict[str, Any] = {
    "below": r"(?:transformer\.)?(?:conv\d|bn\d|ln_pre|class_embedding|positional_embedding|token_embedding|cls_emb|"
    r"embeddings|embed_tokens|shared|wte|wpe)\b",
    "blocks": [(r"(?:transformer\.)?(?:encoder\.)?(?:resblocks|layers?|blocks?|h)\.?(\d+)\.", None)],
}


def layers_above(towers: nn.Module) -> dict[str, int]:
    """How many layers of its tower lie above each weight (BEiT, Bao et al. 2022, appendix H).

    Embeddings and stem are the lowest layer, each block is one, and what follows the last block is the highest, with none
    above it. Towers of timm's say themselves what is a layer of theirs.

    Args:
        towers: an open_clip model.

    Returns:
        By the name of the weight; names that are missing belong to neither tower's layers.
    """
    visual, trunk = towers.visual, getattr(towers.visual, "trunk", None)
    found = (
        _above(visual, _MATCHER, "visual.")
        if trunk is None
        else _above(trunk, trunk.group_matcher(coarse=False), "visual.trunk.")
    )
    if hasattr(towers, "text"):
        return found | _above(towers.text, _MATCHER, "text.")
    # open_clip's CLIP has its text tower spread over the model
    rest = _above(towers, _MATCHER, "")
    return found | {name: above for name, above in rest.items() if not name.startswith("visual.")}


def _above(tower: nn.Module, matcher: Any, prefix: str) -> dict[str, int]:  # noqa: ANN401 # timm's own kind of value
    from timm.models import group_parameters

    layers: dict[str, int] = group_parameters(tower, matcher, reverse=True)  # pyright: ignore[reportAssignmentType]
    highest = max(layers.values())
    return {f"{prefix}{name}": highest - layer for name, layer in layers.items()}
