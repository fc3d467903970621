"""Folders as model hubs keep them: small open_clip models of every kind, with random weights and all their files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import tokenizers
import torch
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

from models.open_clip_import import import_open_clip

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
SENTENCES = ("a photo of a red circle", "two dogs playing on a beach at sunset", "It's a naïve café", "blue over green")

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}
MAP_VIT = {"image_size": 160, "timm_model_name": "tiny_map_vit", "timm_pool": "map", "timm_proj": "none"}
COCA_TEXT = {**TEXT, "context_length": 76, "embed_cls": True, "output_tokens": True}
SIGLIP_TEXT = {
    **TEXT,
    "context_length": 16,
    "vocab_size": 300,
    "no_causal_mask": True,
    "pool_type": "last",
    "proj_bias": True,
    "hf_tokenizer_name": "nobody/unigram",
    "tokenizer_kwargs": {"clean": "canonicalize"},
}
CLIPA_TEXT = {
    **TEXT,
    "context_length": 16,
    "vocab_size": 300,
    "no_causal_mask": True,
    "pool_type": "last",
    "hf_tokenizer_name": "nobody/wordpiece",
    "tokenizer_kwargs": {"strip_sep_token": True},
}

CONFIGS: dict[str, dict[str, Any]] = {
    "quickgelu": {"embed_dim": 24, "quick_gelu": True, "vision_cfg": VIT, "text_cfg": TEXT},
    # MobileCLIP and others: CLIP's causal text tower, but under a name of its own
    "resnet": {
        "embed_dim": 24,
        "custom_text": True,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32},
        "text_cfg": TEXT,
    },
    # CLIPA's text tower, whose end marker is taken away
    "convnext": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 64, "timm_model_name": "test_convnext2", "timm_pool": "", "timm_proj": "linear"},
        "text_cfg": CLIPA_TEXT,
    },
    "coca": {
        "embed_dim": 24,
        "custom_text": True,
        "vision_cfg": {**VIT, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": COCA_TEXT,
        "multimodal_cfg": {**TEXT, "context_length": 76, "attn_pooler_heads": 2},
    },
    "siglip": {
        "embed_dim": 96,
        "custom_text": True,
        "init_logit_bias": -10,
        "vision_cfg": MAP_VIT,
        "text_cfg": {**SIGLIP_TEXT, "width": 96},
    },
    "huggingface": {
        "embed_dim": 24,
        "vision_cfg": VIT,
        # no such folder anywhere but beside the configuration
        "text_cfg": {"hf_model_name": "tower", "hf_tokenizer_name": "tower", "context_length": 16},
    },
}
PREPARED: dict[str, dict[str, Any]] = {
    "siglip": {"resize_mode": "squash", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "convnext": {"interpolation": "bilinear"},
}


def make_folder(kind: str, folder: Path) -> Path:
    """Write the folder of one of `CONFIGS`, and return it."""
    folder.mkdir()
    name_map_vit()
    config: dict[str, Any] = json.loads(json.dumps(CONFIGS[kind]))
    if kind == "huggingface":
        make_roberta(folder / "tower")
        make_roberta(folder)
    elif kind in MAKERS:
        MAKERS[kind](folder)
    document = {"model_cfg": config, "preprocess_cfg": PREPARED.get(kind, {})}
    (folder / CONFIG).write_text(json.dumps(document))
    model = reference_model(folder)
    safetensors.torch.save_file(_disturbed(model.state_dict()), folder / WEIGHTS)
    return folder


def _disturbed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights with noise: whole layers start at zero, and a graph without them would look right."""
    generator = torch.Generator().manual_seed(1)
    noisy = {
        key: value + 0.1 * torch.randn(value.shape, generator=generator)
        for key, value in state.items()
        if value.is_floating_point()
    }
    # a variance is positive
    return state | {key: value.abs() if key.endswith("running_var") else value for key, value in noisy.items()}


def reference_model(folder: Path) -> torch.nn.Module:
    """The folder's model as open_clip itself builds it, with the weights that lie there."""
    open_clip = import_open_clip()
    config = json.loads((folder / CONFIG).read_text())
    text = config["model_cfg"]["text_cfg"]
    if "hf_model_name" in text:
        text = {**text, "hf_model_name": str(folder / text["hf_model_name"]), "hf_model_pretrained": False}
    torch.manual_seed(0)
    return open_clip.create_model(f"local-dir:{folder}", text_cfg=text, pretrained_hf=False).eval()


def name_map_vit() -> None:
    """Let timm know its smallest tower that pools by attention, as SigLIP does, with one layer of nine."""
    import_open_clip()
    import timm

    def tiny_map_vit(*, pretrained: bool = False, **options: object) -> torch.nn.Module:
        return timm.models.vision_transformer.test_vit3(pretrained=pretrained, depth=1, **options)

    if not timm.is_model(tiny_map_vit.__name__):
        timm.models.register_model(tiny_map_vit)


def make_unigram(folder: Path) -> None:
    """A tokenizer as SigLIP's: pieces of sentences, `</s>` at the end and as padding."""
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=100, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    made.train_from_iterator(SENTENCES, trainer)
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    _save(made, folder, pad_token="</s>", eos_token="</s>", unk_token="<unk>")


def make_wordpiece(folder: Path) -> None:
    """A tokenizer as BERT's, which CLIPA has."""
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=200, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    made.train_from_iterator(SENTENCES, trainer)
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    _save(made, folder, pad_token="[PAD]", sep_token="[SEP]", cls_token="[CLS]", unk_token="[UNK]")


def make_roberta(folder: Path) -> None:
    """A RoBERTa text tower: configuration and tokenizer, no weights."""
    from transformers import RobertaConfig

    folder.mkdir(exist_ok=True)
    RobertaConfig(
        vocab_size=400,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        type_vocab_size=1,
    ).save_pretrained(folder)
    made = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(SENTENCES, trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    _save(made, folder, pad_token="<pad>", eos_token="</s>", bos_token="<s>", sep_token="</s>", unk_token="<unk>")


def _save(tokenizer: tokenizers.Tokenizer, folder: Path, **tokens: str) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    document = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **tokens}
    (folder / "tokenizer_config.json").write_text(json.dumps(document))


MAKERS: dict[str, Callable[[Path], None]] = {"siglip": make_unigram, "convnext": make_wordpiece}
