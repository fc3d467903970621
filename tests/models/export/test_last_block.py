"""The last block of a transformer of which one token is read."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.export.graphs import CausalTextGraph, ImageGraph, WholeTextGraph
from models.export.last_block import class_token_alone, is_plain, one_token
from models.manifest import Preprocess
from models.open_clip_import import import_open_clip
from tests.models.export.towers import TEXT, VISION, small_clip

PREPROCESS = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def clip(blocks: int = 2, **vision: object) -> nn.Module:
    """A CLIP of so many blocks in each tower."""
    import_open_clip()
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    torch.manual_seed(0)
    shapes: list[dict[str, Any]] = [{**VISION, "layers": blocks, **vision}, {**TEXT, "layers": blocks}]
    return CLIP(24, CLIPVisionCfg(**shapes[0]), CLIPTextCfg(**shapes[1])).eval()


def pictures(count: int = 3) -> torch.Tensor:
    """Pixels of noise."""
    return torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def ids(lengths: list[int]) -> torch.Tensor:
    """Random texts of these lengths, padded to the longest with what their tower must not see."""
    found = torch.randint(1, 49_000, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    for row, length in zip(found, lengths, strict=True):
        row[length - 1] = 49_407
    return found


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3), st.integers(1, 9), st.data())
def test_a_token_comes_out_as_if_all_had(count: int, length: int, data: st.DataObject) -> None:
    """Whichever token is wanted, and whatever is behind it: the block's own output there, to rounding."""
    block = small_clip().transformer.resblocks[-1]
    tokens = torch.randn(count, length, 32, generator=torch.Generator().manual_seed(count * 10 + length))
    wanted = torch.tensor(data.draw(st.lists(st.integers(0, length - 1), min_size=count, max_size=count)))
    causal = torch.full((length, length), -torch.inf).triu(1)

    with torch.no_grad():
        alone = one_token(block, tokens, wanted, causal[wanted])
        whole = block(tokens, attn_mask=causal)[torch.arange(count), wanted]

    assert torch.allclose(whole, alone[:, 0], atol=1e-5)


def test_a_picture_has_the_same_vector() -> None:
    """Inside the block vectors are those outside; after it, and after an error too, the tower is what it was."""
    model = clip()
    graph, last = ImageGraph(model, PREPROCESS), model.visual.transformer.resblocks[-1]

    with torch.no_grad():
        whole = graph(pictures())
        with pytest.raises(KeyError), class_token_alone(model):
            assert last is not model.visual.transformer.resblocks[-1]
            alone = graph(pictures())
            raise KeyError

    assert torch.allclose(whole, alone, atol=1e-6)
    assert last is model.visual.transformer.resblocks[-1]


@pytest.mark.parametrize("lengths", [[3], [2, 9, 5], [9, 9]])
def test_a_text_has_the_same_vector(lengths: list[int]) -> None:
    """Of texts of any lengths in a batch each has open_clip's own vector, whatever stands behind its end."""
    model, batch = clip(), ids(lengths)
    padded = torch.zeros(len(lengths), 77, dtype=torch.int64)
    for row, (text, length) in enumerate(zip(batch, lengths, strict=True)):
        padded[row, :length] = text[:length]

    with torch.no_grad():
        assert torch.allclose(WholeTextGraph(model)(padded), CausalTextGraph(model)(batch), atol=1e-6)


@pytest.mark.parametrize("layers", [2, 4])
def test_it_is_less_work(layers: int) -> None:
    """Of *layers* blocks the last takes a fifth or less of what it took."""
    model = clip(layers)
    image, text, batch = ImageGraph(model, PREPROCESS), CausalTextGraph(model), ids([20, 20])
    with torch.no_grad():
        with FlopCounterMode(display=False) as whole:
            image.model.visual.transformer(torch.zeros(3, 5, 32))
            text.tokens(batch)
        with FlopCounterMode(display=False) as alone, class_token_alone(model):
            image.model.visual.transformer(torch.zeros(3, 5, 32))
            text(batch)

    # and a projection of the pooled token
    assert alone.get_total_flops() < whole.get_total_flops() * (layers - 1 + 0.45) / layers


@pytest.mark.parametrize(
    "vision",
    [
        {"pool_type": "avg"},
        {"attentional_pool": True, "attn_pooler_heads": 2},
        {"block_type": "custom"},
        {"layers": [1, 1, 1, 1], "patch_size": None, "head_width": 16},
    ],
    ids=["mean of all", "attention pool", "another block", "ResNet"],
)
def test_what_reads_more_stays_as_it_is(vision: dict[str, Any]) -> None:
    """Where all tokens are pooled, or the blocks are of another kind, nothing is changed."""
    model = clip(**vision)
    graph = ImageGraph(model, PREPROCESS)
    with torch.no_grad():
        whole = graph(pictures())
        with class_token_alone(model):
            assert torch.equal(whole, graph(pictures()))


def test_only_usual_blocks_are_plain() -> None:
    """A block with an attention of its own, or one that looks across, is not taken for the usual one."""
    import_open_clip()
    from open_clip.transformer import CustomResidualAttentionBlock, ResidualAttentionBlock

    assert is_plain(ResidualAttentionBlock(32, 2))
    assert is_plain(ResidualAttentionBlock(32, 2, ls_init_value=0.1))
    assert not is_plain(ResidualAttentionBlock(32, 2, is_cross_attention=True))
    assert not is_plain(ResidualAttentionBlock(32, 2, batch_first=False))
    assert not is_plain(CustomResidualAttentionBlock(32, 2))
