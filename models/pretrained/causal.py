"""Which text towers may be given a text without its padding."""

from torch import nn


def is_causal(model: nn.Module) -> bool:
    """Whether a text may be cut to its real length: a causal mask, pooled at the end-of-text token, nothing appended.

    True of open_clip's own text tower as CLIP has it, in the model or beside it. Others append a class token (CoCa),
    look at padding (SigLIP) or both ways (Hugging Face): those get the whole context.
    """
    tower = text_tower(model)
    pooling = getattr(tower, "text_pool_type", None) or getattr(tower, "pool_type", None)
    return (
        hasattr(tower, "token_embedding")
        and getattr(tower, "attn_mask", None) is not None
        and getattr(tower, "cls_emb", None) is None
        and pooling == "argmax"
    )


def text_tower(model: nn.Module) -> nn.Module:
    """Where a model keeps the parts of its text tower: in `text`, or among its own."""
    return getattr(model, "text", model)
