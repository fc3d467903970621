"""The last block of a transformer of which one token is read: the others are looked at there, and their own features are nobody's.

Of a block's twelve products with a square of weights (queries, keys and values three, the perceptron eight) three are for all tokens
then, and nine for one: a tower of 12 blocks costs 6 % less, one of 3 a quarter. Queries of the others are made and left: by
themselves, keys and values would be weights of their own, which a proofreader's graph over all tokens could not share.
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from models.open_clip_import import import_open_clip


def is_plain(block: nn.Module) -> bool:
    """Whether `one_token` knows how such a block works: open_clip's usual one, as it is, with torch's own attention."""
    import_open_clip()
    from open_clip.transformer import ResidualAttentionBlock

    return (
        type(block) is ResidualAttentionBlock
        and type(block.attn) is nn.MultiheadAttention
        and block.attn.batch_first
        and not hasattr(block, "ln_1_kv")
    )


def one_token(
    block: nn.Module, tokens: torch.Tensor, places: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """What a plain block makes of one token of each sequence.

    Args:
        block: see `is_plain`.
        tokens: (n, l, w), what comes into it.
        places: (n,) int64, which are wanted.
        mask: (n, l), what is added to how much they look at each: -inf for what they do not see.

    Returns:
        (n, 1, w).
    """
    attention, row = block.attn, torch.arange(tokens.shape[0])
    parts = functional.linear(block.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias)  # [n, l, 3 w]
    queries, keys, values = parts.chunk(3, dim=-1)
    heads = (attention.num_heads, attention.head_dim)
    looked = functional.scaled_dot_product_attention(
        queries[row, places].unflatten(-1, heads)[:, :, None],  # [n, h, 1, w / h]
        keys.unflatten(-1, heads).transpose(1, 2),  # [n, h, l, w / h]
        values.unflatten(-1, heads).transpose(1, 2),
        attn_mask=None if mask is None else mask[:, None, None],
    )
    # Two axes here and three below, as torch has them over all tokens: else the exporter turned the weights the other way round,
    # and graphs could not share them.
    looked = attention.out_proj(looked.flatten(1))  # [n, w]
    found = tokens[row, places][:, None] + block.ls_1(looked)[:, None]
    return found + block.ls_2(block.mlp(block.ln_2(found)))


@contextmanager
def class_token_alone(model: nn.Module) -> Generator[None]:
    """In the block, *model*'s image tower makes of its tokens what is read of them alone; one that pools otherwise stays as it is."""
    blocks = _blocks_of(getattr(model, "visual", None))
    if blocks is None:
        yield
        return
    last = blocks[-1]
    blocks[-1] = _FirstToken(last)
    try:
        yield
    finally:
        blocks[-1] = last


def _blocks_of(tower: nn.Module | None) -> nn.ModuleList | None:
    """The blocks of a vision transformer that is pooled at its class token, the first."""
    import_open_clip()
    from open_clip.transformer import VisionTransformer

    if not isinstance(tower, VisionTransformer) or tower.pool_type != "tok" or tower.attn_pool is not None:
        return None
    blocks = tower.transformer.resblocks
    return blocks if is_plain(blocks[-1]) and tower.transformer.batch_first else None


class _FirstToken(nn.Module):
    """A block that gives one token for all: [n, l, w] → [n, 1, w]."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, tokens: torch.Tensor, attn_mask: torch.Tensor | None = None) -> torch.Tensor:
        assert attn_mask is None, "an image's tokens see each other"
        first = torch.zeros(tokens.shape[0], dtype=torch.int64)
        return one_token(self.block, tokens, first)
