"""Towers, tokenizer and manifest become a sealed bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from models.export.graphs import ImageGraph, text_graph
from models.export.parity import check, least_cosine, sample_pixels
from models.export.quantize import to_fp16, to_int8
from models.export.to_onnx import export_graph
from models.manifest import (
    MANIFEST_NAME,
    TOKENIZER_NAME,
    BundleManifest,
    Preprocess,
    Provenance,
    TextSpec,
    Variant,
)
from models.sealed import seal_files, staged
from models.text import Tokenizer

Precision = Literal["fp32", "fp16", "int8"]

SAMPLE_TEXTS = (
    "",
    "a red circle",
    "a photo of two dogs playing on a beach at sunset",
    "naïve café, ÜBER 東京 🎉 <b>tags</b> &amp; more",
    "one " * 200,
)


def export_bundle(
    model: nn.Module,
    tokenizer_json: bytes,
    *,
    name: str,
    output: Path,
    preprocess: Preprocess,
    text: TextSpec,
    provenance: Provenance,
    variants: Sequence[Precision] = ("fp32",),
) -> BundleManifest:
    """Write the bundle of *model* into folder *output*, which must not exist.

    Args:
        model: an open_clip model in evaluation mode, on the CPU.
        tokenizer_json: in the format of the `tokenizers` package.
        name: of the bundle.
        output: its folder.
        preprocess: how images are prepared.
        text: how texts are.
        provenance: where the weights come from.
        variants: precisions beside fp32, which is always there.

    Raises:
        ExportError: the graphs do not say what the model says.
        FileExistsError: *output* exists.
    """
    model = model.eval()
    with staged(output) as folder:
        (folder / TOKENIZER_NAME).write_bytes(tokenizer_json)
        ids = _sample_ids(Tokenizer.from_file(folder / TOKENIZER_NAME, text), text)
        pixels = [sample_pixels(preprocess.size)]
        image, texts = ImageGraph(model, preprocess), text_graph(model)
        export_graph(image, torch.from_numpy(pixels[0][:3]), "pixels", folder / "image.onnx")
        length = text.context_length if text.causal else None
        export_graph(texts, torch.from_numpy(ids[0][:3]), "ids", folder / "text.onnx", dynamic_length=length)
        check(folder / "image.onnx", "pixels", image, [*pixels, pixels[0][:1]])
        check(folder / "text.onnx", "ids", texts, ids)
        manifest = BundleManifest(
            name=name,
            dim=_dim(image, pixels[0]),
            logit_scale=float(model.logit_scale.detach().exp()),
            logit_bias=float(model.logit_bias.detach()) if getattr(model, "logit_bias", None) is not None else 0.0,
            preprocess=preprocess,
            text=text,
            variants={"fp32": Variant(image="image.onnx", text="text.onnx")}
            | {each: _variant(folder, each, pixels, ids) for each in variants if each != "fp32"},
            provenance=provenance,
            files=seal_files(folder),
        )
        (folder / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    return manifest


def _sample_ids(tokenizer: Tokenizer, text: TextSpec) -> list[np.ndarray]:
    """Real texts as they are served, and random ids: (n, l) int64 each."""
    tokens = tokenizer.encode(SAMPLE_TEXTS)
    if not text.causal:
        return [tokens.ids, tokens.ids[:1]]
    short = int(tokens.lengths[:3].max())
    rng = np.random.default_rng(0)
    noise = rng.integers(0, max(2, int(tokens.ids.max())), (3, text.context_length))
    noise[:, -1] = tokens.ids.max()
    return [tokens.ids, tokens.ids[:3, :short], tokens.ids[:1, : int(tokens.lengths[0])], noise]


def _dim(image: ImageGraph, pixels: np.ndarray) -> int:
    with torch.no_grad():
        return image(torch.from_numpy(pixels[:2])).shape[1]


def _variant(folder: Path, precision: Precision, pixels: list[np.ndarray], ids: list[np.ndarray]) -> Variant:
    convert = to_fp16 if precision == "fp16" else to_int8
    for graph in ("image", "text"):
        convert(folder / f"{graph}.onnx", folder / f"{graph}.{precision}.onnx")
    return Variant(
        image=f"image.{precision}.onnx",
        text=f"text.{precision}.onnx",
        image_cosine=least_cosine(folder / "image.onnx", folder / f"image.{precision}.onnx", "pixels", pixels),
        text_cosine=least_cosine(folder / "text.onnx", folder / f"text.{precision}.onnx", "ids", ids),
    )
