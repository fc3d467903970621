"""The proofreader beside the towers: its graphs, which keep no weight twice, and what the manifest says of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.export import Dim

from models.errors import ExportError
from models.export.parity import compare
from models.export.proof_graphs import ProofImageGraph, ProofTextGraph, ReadingGraph, WholeTokens
from models.export.sharing import share_weights
from models.export.to_onnx import MOST, Port, export_ports
from models.manifest import Calibration, Preprocess, Proofreading, TextSpec
from models.proof_image import MAX_STORED, stored_size
from models.training.features import image_features
from models.training.interaction import Interaction, Shape

IMAGE, TEXT, READING, VOCABULARY = "proof.image.onnx", "proof.text.onnx", "proofreader.onnx", "proof.vocabulary.json"
# texts and images that the reading graph is exported and compared with
_PAIRS = 3


@dataclass(frozen=True)
class TrainedProofreader:
    """What training leaves beside the towers.

    Attributes:
        module: trained, on the CPU.
        levels: blocks of the image tower that it reads.
        vocabulary: the words that its correction answers, in its order.
        calibration: fitted on held-out data.

    Raises:
        ValueError: the vocabulary is not the module's.
    """

    module: Interaction
    levels: tuple[int, ...]
    vocabulary: tuple[str, ...]
    calibration: Calibration

    def __post_init__(self) -> None:
        answers = self.module.shape.vocabulary
        if len(self.vocabulary) != answers:
            raise ValueError(f"{len(self.vocabulary)} words for a module that answers {answers}")


@dataclass(frozen=True)
class Samples:
    """What graphs are exported and compared with: pixels (n, S, S, 3) uint8, and several ids (n, l) int64."""

    pixels: np.ndarray
    ids: list[np.ndarray]


@torch.no_grad()
def check_size(model: nn.Module, shape: Shape, levels: Sequence[int], side: int) -> None:
    """Refuse a module that would keep too much of each image; before training, which would be in vain.

    Args:
        model: the towers, on any device.
        shape: of the module.
        levels: blocks of the image tower that it reads.
        side: of the towers' images, in pixels.

    Raises:
        ExportError: an image would take more than `MAX_STORED` bytes.
    """
    training = model.training
    # or batch normalisation would remember the empty picture
    model.eval()
    try:
        found = image_features(model, torch.zeros(1, 3, side, side, device=next(model.parameters()).device), levels)
    finally:
        model.train(training)
    maps = [level.shape[2:] for level in found.levels if shape.local]
    patches = sum(min(height, shape.side) * min(width, shape.side) for height, width in maps)
    _refuse_large(patches, shape.width, found.embedding.shape[1])


def _refuse_large(patches: int, channels: int, dim: int) -> None:
    size = stored_size(patches, channels, dim)
    if size > MAX_STORED:
        raise ExportError(
            f"the proofreader would keep {size:,} bytes of each image, {patches} patches of {channels} channels, and an index "
            f"has room for {MAX_STORED:,}: lower proofreading.side, proofreading.levels or proofreading.width in the recipe"
        )


def export_proofreader(
    folder: Path,
    model: nn.Module,
    trained: TrainedProofreader,
    preprocess: Preprocess,
    text: TextSpec,
    samples: Samples,
) -> tuple[Proofreading, float]:
    """Write the proofreader's files into *folder*, where image.onnx and text.onnx lie already.

    Args:
        folder: of the bundle.
        model: the towers, in evaluation mode.
        trained: the module and what belongs to it.
        preprocess: how images are prepared.
        text: how texts are.
        samples: to compare with.

    Returns:
        the manifest's part, and the greatest difference of any output to torch.

    Raises:
        ExportError: a graph does not say what torch says, or too much of each image would be kept.
    """
    shape = trained.module.eval().shape
    image = ProofImageGraph(model, preprocess, trained.module, trained.levels).eval()
    tokens = WholeTokens(model, text.context_length, text.pad_id).eval()
    with torch.no_grad():
        embedding, patches = image(torch.from_numpy(samples.pixels[:_PAIRS]))
        words = tokens(torch.from_numpy(samples.ids[0][:_PAIRS]))
    _refuse_large(patches.shape[1], patches.shape[2], embedding.shape[1])
    worst = max(
        _image(folder, image, samples.pixels),
        _text(folder, model, tokens, text, samples.ids),
        _reading(folder, ReadingGraph(trained.module, image.counts()).eval(), words, patches, embedding),
    )
    (folder / VOCABULARY).write_text(json.dumps(trained.vocabulary, ensure_ascii=False) + "\n", encoding="utf-8")
    part = Proofreading(
        image=IMAGE,
        text=TEXT,
        reading=READING,
        vocabulary=VOCABULARY,
        words=shape.vocabulary,
        features=shape.tokens,
        patches=patches.shape[1],
        channels=patches.shape[2],
        calibration=trained.calibration,
    )
    return part, worst


def _image(folder: Path, graph: ProofImageGraph, pixels: np.ndarray) -> float:
    path, outputs = folder / IMAGE, ("embedding", "patches")
    example = torch.from_numpy(pixels[:3])
    _write(path, graph, {"pixels": (example, {0: _many("n")})}, outputs)
    return compare(path, graph, [{"pixels": pixels}, {"pixels": pixels[:1]}], outputs)


def _text(folder: Path, model: nn.Module, reference: WholeTokens, text: TextSpec, ids: list[np.ndarray]) -> float:
    """Ids, cut as they are served, are compared with whole ones in open_clip."""
    path, axes = folder / TEXT, {0: _many("n")}
    if text.causal:
        axes[1] = Dim("l", min=1, max=text.context_length)
    _write(path, ProofTextGraph(model), {"ids": (torch.from_numpy(ids[0][:3]), axes)}, ("tokens",))
    return compare(path, reference, [{"ids": each} for each in ids], ("tokens",))


def _reading(
    folder: Path, graph: ReadingGraph, words: torch.Tensor, patches: torch.Tensor, embedding: torch.Tensor
) -> float:
    """Tokens' features stand for words': both are of one kind. Compared with corrections at many places, one, and none."""
    texts, most, _ = words.shape
    there = torch.ones(texts, most, dtype=torch.bool)
    there[1:, most // 2 :] = False
    places = torch.cartesian_prod(torch.arange(texts), torch.arange(2))
    many, long, some = _many("n"), _many("w"), Dim("m", min=0, max=MOST)
    inputs = {
        "words": (words, {0: many, 1: long}),
        "there": (there, {0: many, 1: long}),
        "patches": (patches, {0: many}),
        "embedding": (embedding, {0: many}),
        "places": (places, {0: some}),
    }
    path, outputs = folder / READING, ("wrong", "answers")
    _write(path, graph, inputs, outputs)
    whole = {name: example.numpy() for name, (example, _) in inputs.items()}
    first = {name: values[:1] for name, values in whole.items()}
    return compare(path, graph, [whole, first, {**whole, "places": whole["places"][:0]}], outputs)


def _write(path: Path, graph: nn.Module, inputs: Mapping[str, Port], outputs: Sequence[str]) -> None:
    export_ports(graph, inputs, outputs, path)
    share_weights(path, [path.with_name(name) for name in ("image.onnx", "text.onnx")])


def _many(name: str) -> Dim:
    return Dim(name, min=1, max=MOST)
