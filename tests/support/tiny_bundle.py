"""A sealed bundle small enough to open in milliseconds, and honest enough to search with.

The image tower averages colours over a grid and projects them; the text tower sums word vectors up to the end-of-text
token. The vector of a colour's name is the projection of a picture in that colour, so "red" finds what is red.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.manifest import MANIFEST_NAME, TOKENIZER_NAME, BundleManifest, Preprocess, Provenance, TextSpec, Variant
from models.sealed import seal_files, staged

CONTEXT = 32
GRID = 4
PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[START]", "[END]"
COLOURS = {
    "red": (230, 30, 30), "green": (30, 180, 60), "blue": (30, 60, 220), "yellow": (240, 220, 40),
    "purple": (140, 40, 180), "orange": (250, 140, 20), "black": (10, 10, 10), "white": (245, 245, 245),
}  # fmt: skip
_WORDS = (
    "a", "an", "the", "of", "and", "on", "in", "photo", "picture", "square", "circle", "dog", "cat", "left", "right",
)  # fmt: skip


def make_tiny_bundle(
    folder: Path, *, dim: int = 16, size: int = 32, causal: bool = True, seed: int = 0, precision: str = "fp32"
) -> Path:
    """Write a sealed dual encoder at *folder*, which must not exist, and return it.

    Args:
        folder: where; its name is the bundle's name.
        dim: embedding dimension d.
        size: side of the input picture, a multiple of 4.
        causal: False makes a text tower that sees its padding, so that every text must be padded to the context.
        seed: of the random weights; other seeds give other embeddings.
        precision: "fp16" adds a second variant whose graphs answer in float16.
    """
    vocabulary = _vocabulary()
    rng = np.random.default_rng(seed)
    projection = rng.normal(size=(GRID * GRID * 3, dim)).astype(np.float32) / 4
    bias = rng.normal(size=dim).astype(np.float32) / 8
    words = _word_vectors(rng, vocabulary, projection)
    manifest = _manifest(folder.name, dim, size, causal=causal, seed=seed, vocabulary=vocabulary)
    with staged(folder) as staging:
        (staging / TOKENIZER_NAME).write_text(json.dumps(_tokenizer(vocabulary)), encoding="utf-8")
        variants: dict[str, Variant] = {}
        for name in dict.fromkeys(("fp32", precision)):
            half = name == "fp16"
            variants[name] = Variant(image=f"image.{name}.onnx", text=f"text.{name}.onnx")
            onnx.save(_image_graph(size, projection, bias, half=half), staging / variants[name].image)
            onnx.save(_text_graph(vocabulary, words, bias, causal=causal, half=half), staging / variants[name].text)
        sealed = manifest.model_copy(update={"variants": variants, "files": seal_files(staging)})
        (staging / MANIFEST_NAME).write_bytes(sealed.to_bytes())
    return folder


def _manifest(name: str, dim: int, size: int, *, causal: bool, seed: int, vocabulary: dict[str, int]) -> BundleManifest:
    return BundleManifest(
        name=name,
        dim=dim,
        logit_scale=20.0,
        preprocess=Preprocess(size=size, mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0)),
        text=TextSpec(
            context_length=CONTEXT, causal=causal, clean="lower", pad_id=vocabulary[PAD], eot_id=vocabulary[END]
        ),
        variants={},
        provenance=Provenance(architecture="tiny", pretrained="none", notes={"seed": seed}),
        files={},
    )


def _vocabulary() -> dict[str, int]:
    characters = [chr(code) for code in range(33, 127)]
    tokens = [PAD, UNKNOWN, START, END, *COLOURS, *_WORDS, *characters, *(f"##{each}" for each in characters)]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def _word_vectors(rng: np.random.Generator, vocabulary: dict[str, int], projection: np.ndarray) -> np.ndarray:
    """(V, d): a colour's name lies where a picture of that colour lies, other words are short random vectors."""
    words = 0.1 * rng.normal(size=(len(vocabulary), projection.shape[1])).astype(np.float32)
    for name, colour in COLOURS.items():
        tile = np.tile(np.asarray(colour, np.float32) / 255 - 0.5, GRID * GRID)
        words[vocabulary[name]] = tile @ projection
    # padding counts where the tower sees it, but must not drown the words
    words[vocabulary[PAD]] *= 0.05
    return words


def _tokenizer(vocabulary: dict[str, int]) -> dict[str, object]:
    """A WordPiece `tokenizer.json`: known words whole, others letter by letter."""
    special = {token: {"id": token, "ids": [vocabulary[token]], "tokens": [token]} for token in (START, END)}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    marks = [{"SpecialToken": {"id": token, "type_id": 0}} for token in (START, END)]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing", "special_tokens": special,
            "single": [marks[0], text, marks[1]], "pair": [marks[0], text, marks[1]],
        },
        "decoder": None,
        "model": {
            "type": "WordPiece", "unk_token": UNKNOWN, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    }  # fmt: skip


def _image_graph(size: int, projection: np.ndarray, bias: np.ndarray, *, half: bool) -> onnx.ModelProto:
    cell = size // GRID
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["numbers", "full"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "middle"], ["centred"]),
        helper.make_node("Reshape", ["centred", "cells"], ["grid"]),  # (N, g, c, g, c, 3)
        helper.make_node("ReduceMean", ["grid"], ["means"], axes=[2, 4], keepdims=0),  # (N, g, g, 3)
        helper.make_node("Reshape", ["means", "flat"], ["features"]),
        helper.make_node("MatMul", ["features", "projection"], ["projected"]),
        helper.make_node("Add", ["projected", "bias"], ["raw"]),
        *_normalised(half=half),
    ]
    constants = {
        "full": np.float32(255),
        "middle": np.float32(0.5),
        "cells": np.array([-1, GRID, cell, GRID, cell, 3], np.int64),
        "flat": np.array([-1, GRID * GRID * 3], np.int64),
        "projection": projection,
        "bias": bias,
    }
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", size, size, 3])
    return _model(nodes, constants, pixels, projection.shape[1], half=half)


def _text_graph(
    vocabulary: dict[str, int], words: np.ndarray, bias: np.ndarray, *, causal: bool, half: bool
) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["looked_up"]),  # (N, L, d)
        helper.make_node("Shape", ["ids"], ["length"], start=1, end=2),
        helper.make_node("Slice", ["places", "zero", "length", "zero"], ["place"]),  # (L, 1)
        helper.make_node("Mul", ["looked_up", "place"], ["weighted"]),
    ]
    if causal:
        nodes += [
            helper.make_node("CumSum", ["weighted", "one"], ["running"]),
            helper.make_node("Equal", ["ids", "end"], ["is_end"]),
            helper.make_node("Cast", ["is_end"], ["end_mark"], to=TensorProto.INT64),
            helper.make_node("ArgMax", ["end_mark"], ["last"], axis=1, keepdims=1),  # (N, 1)
            helper.make_node("GatherND", ["running", "last"], ["summed"], batch_dims=1),
        ]
    else:
        nodes.append(helper.make_node("ReduceSum", ["weighted", "one"], ["summed"], keepdims=0))
    nodes += [helper.make_node("Add", ["summed", "bias"], ["raw"]), *_normalised(half=half)]
    constants = {
        "words": words,
        # the order of words counts a little
        "places": np.linspace(1.0, 1.3, CONTEXT, dtype=np.float32)[:, None],
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "end": np.array(vocabulary[END], np.int64),
        "bias": bias,
    }
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["N", "L"])
    return _model(nodes, constants, ids, words.shape[1], half=half)


def _normalised(*, half: bool) -> list[onnx.NodeProto]:
    return [
        helper.make_node("ReduceL2", ["raw"], ["norm"], axes=[1], keepdims=1),
        helper.make_node("Div", ["raw", "norm"], ["unit"]),
        helper.make_node("Cast", ["unit"], ["embedding"], to=TensorProto.FLOAT16 if half else TensorProto.FLOAT),
    ]


def _model(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], source: onnx.ValueInfoProto, dim: int, *, half: bool
) -> onnx.ModelProto:
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    used = {name for node in nodes for name in node.input}
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used]
    graph = helper.make_graph(
        nodes, "tiny", [source], [helper.make_tensor_value_info("embedding", kind, ["N", dim])], weights
    )
    # ReduceMean and ReduceL2 take their axes as attributes up to opset 17
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
