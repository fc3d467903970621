"""How high in its tower a weight lies."""

from pathlib import Path

import pytest

from models.training.layers import layers_above
from tests.models.training.test_backbones import MAKERS
from tests.models.training.tiny import tiny_towers

# by kind of backbone: weights from the top of their tower to its bottom
ORDERS = {
    "own-resnet": (
        ("visual.attnpool.c_proj.weight", "visual.layer4.0.conv1.weight", "visual.layer1.0.conv1.weight", "visual.conv3.weight"),
        ("text_projection", "transformer.resblocks.0.ln_1.bias", "positional_embedding"),
    ),
    "own-timm": (("visual.head.proj.weight", "visual.trunk.stages.1.blocks.0.norm.weight", "visual.trunk.stem.0.weight"),),
    "coca": (
        ("visual.attn_pool.query", "visual.transformer.resblocks.0.ln_1.bias", "visual.class_embedding"),
        ("text.ln_final.weight", "text.transformer.resblocks.0.ln_1.bias", "text.cls_emb"),
    ),
    "huggingface": (
        ("text.proj.0.weight", "text.transformer.encoder.layer.0.output.dense.weight", "text.transformer.embeddings.word_embeddings.weight"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ORDERS)
def test_layers_lie_above_each_other(tmp_path: Path, kind: str) -> None:
    """What follows the blocks is highest, then the blocks in order, then embeddings and stem; nothing is left out."""
    towers = MAKERS[kind](tmp_path).towers

    found = layers_above(towers)

    for order in ORDERS[kind]:
        heights = [found.get(name, 0) for name in order]
        assert all(name in dict(towers.named_parameters()) for name in order)
        assert heights == sorted(set(heights))
        assert 0 == heights[0]


def test_each_block_is_one_layer() -> None:
    """Of a ViT with two blocks beside a text transformer with one: 3 layers above the stem, 2 above the embeddings."""
    found = layers_above(tiny_towers())

    assert {0, 1, 2, 3} == {above for name, above in found.items() if name.startswith("visual.")}
    assert 3 == found["visual.positional_embedding"] == found["visual.ln_pre.weight"]
    assert {"positional_embedding": 2, "token_embedding.weight": 2, "ln_final.weight": 0} == {
        name: found[name] for name in ("positional_embedding", "token_embedding.weight", "ln_final.weight")
    }
