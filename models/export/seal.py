"""Towers, tokenizer and manifest become a sealed bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import JsonValue
from torch import nn

from models.export.graphs import ImageGraph, WholeTextGraph, text_graph
from models.export.last_block import class_token_alone
from models.export.parity import check, least_cosine, sample_pixels
from models.export.proofreader import Samples, TrainedProofreader, export_proofreader
from models.export.quantize import to_fp16, to_int8
from models.export.to_onnx import export_graph
from models.manifest import (
    MANIFEST_NAME,
    TOKENIZER_NAME,
    BundleManifest,
    Preprocess,
    Proofreading,
    Provenance,
    TextSpec,
    Variant,
)
from models.pretrained.samples import SAMPLE_TEXTS
from models.sealed import seal_files, staged
from models.text import Tokenizer

Precision = Literal["fp32", "fp16", "int8"]

# under this name the manifest's notes tell the greatest difference between graph and torch, of each tower
PARITY = "parity"


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
    proofreader: TrainedProofreader | None = None,
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
        proofreader: the second stage, in fp32; the towers' graphs are the same with it and without.

    Raises:
        ExportError: the graphs do not say what the model says.
        FileExistsError: *output* exists.
    """
    model = model.eval()
    with staged(output) as folder:
        (folder / TOKENIZER_NAME).write_bytes(tokenizer_json)
        ids = sample_ids(Tokenizer.from_file(folder / TOKENIZER_NAME, text), text)
        pixels = [sample_pixels(preprocess.size)]
        image = ImageGraph(model, preprocess)
        parity: dict[str, JsonValue] = {
            "image": _image(folder, image, pixels[0]),
            "text": write_text(folder, model, text, ids),
        }
        reading: Proofreading | None = None
        if proofreader is not None:
            samples = Samples(pixels[0], ids)
            reading, parity["proofreader"] = export_proofreader(folder, model, proofreader, preprocess, text, samples)
        manifest = BundleManifest(
            name=name,
            dim=_dim(image, pixels[0]),
            logit_scale=float(model.logit_scale.detach().exp()),
            logit_bias=float(model.logit_bias.detach()) if getattr(model, "logit_bias", None) is not None else 0.0,
            preprocess=preprocess,
            text=text,
            variants={"fp32": Variant(image="image.onnx", text="text.onnx")}
            | {each: _variant(folder, each, pixels, ids) for each in variants if each != "fp32"},
            provenance=provenance.model_copy(update={"notes": {**provenance.notes, PARITY: parity}}),
            files=seal_files(folder),
            proofreader=reading,
        )
        (folder / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    return manifest


def _image(folder: Path, graph: ImageGraph, pixels: np.ndarray) -> float:
    """Write the image graph; the greatest difference to torch, alone and in a batch."""
    path = folder / "image.onnx"
    with class_token_alone(graph.model):
        export_graph(graph, torch.from_numpy(pixels[:3]), "pixels", path)
    # beside the whole tower
    return check(path, "pixels", graph, [pixels, pixels[:1]])


def write_text(folder: Path, model: nn.Module, text: TextSpec, ids: list[np.ndarray]) -> float:
    """Write the text graph; the greatest difference of ids, cut as they are served, to whole ones in open_clip."""
    path = folder / "text.onnx"
    length = text.context_length if text.causal else None
    export_graph(text_graph(model), torch.from_numpy(ids[0][:3]), "ids", path, dynamic_length=length)
    return check(path, "ids", WholeTextGraph(model, text.context_length, text.pad_id), ids)


def sample_ids(tokenizer: Tokenizer, text: TextSpec) -> list[np.ndarray]:
    """Real texts as they are served, and random ids: (n, l) int64 each."""
    tokens = tokenizer.encode(SAMPLE_TEXTS)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, max(2, int(tokens.ids.max())), (3, text.context_length))
    if not text.causal:
        return [tokens.ids, tokens.ids[:1], noise]
    short = int(tokens.lengths[:3].max())
    # the end-of-text token, which a causal tower looks for
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
