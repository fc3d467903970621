"""Convolutions in int8: what the first one takes, what is left in floats, and how near the vectors stay."""

# pyright: reportPrivateUsage=false

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from models.bundle import BUILT_IN
from models.export.convolutions import _fold_normalisation, is_convolutional, quantize_convolutions
from models.export.parity import sample_pixels

SOURCE = BUILT_IN / "scenes-s"
CPU = ["CPUExecutionProvider"]
SIDE, OUT = 12, 5


def tower(mean: tuple[float, ...], std: tuple[float, ...], *, bias: bool, padding: int) -> onnx.ModelProto:
    """Pixels that are normalised and meet one convolution; of random weights."""
    rng = np.random.default_rng(0)
    weights = {
        "mean": np.array(mean, np.float32).reshape(1, 3, 1, 1),
        "std": np.array(std, np.float32).reshape(1, 3, 1, 1),
        "kernel": rng.normal(size=(OUT, 3, 3, 3)).astype(np.float32),
    }
    if bias:
        weights["bias"] = rng.normal(size=OUT).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["floats", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["normal"]),
        helper.make_node("Conv", ["normal", "kernel", *(["bias"] if bias else [])], ["embedding"], pads=[padding] * 4),
    ]
    graph = helper.make_graph(
        nodes,
        "tower",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", OUT, None, None])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def answer(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    """What a graph makes of pixels."""
    (found,) = InferenceSession(model.SerializeToString(), providers=CPU).run(None, {"pixels": pixels})
    return np.asarray(found)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("mean", "std"), [((127.5, 127.5, 127.5), (63.75, 63.75, 63.75)), ((123, 116.7, 104.1), (68.5, 66.6, 70.3))]
)
def test_the_first_convolution_normalises(mean: tuple[float, ...], std: tuple[float, ...], bias: bool) -> None:
    """With the normalisation in its weights it says of pixels less one whole number what it said of normalised ones."""
    pixels = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    model = tower(mean, std, bias=bias, padding=0)
    before = answer(model, pixels)

    name, zero = _fold_normalisation(model)

    assert ("centred", round(float(np.mean(mean)))) == (name, zero)
    assert "Div" not in {node.op_type for node in model.graph.node}
    assert np.allclose(before, answer(model, pixels), atol=1e-3)


def test_only_the_edge_sees_another_zero() -> None:
    """Where it sees beyond the picture's edge it finds the rounded mean, not each channel's: elsewhere nothing changes."""
    pixels = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    model = tower((123, 116.7, 104.1), (68.5, 66.6, 70.3), bias=True, padding=1)
    before = answer(model, pixels)

    _fold_normalisation(model)
    off = np.abs(before - answer(model, pixels)).max(axis=(0, 1))

    assert off[1:-1, 1:-1].max() < 1e-3 < off[0].max() < 1


def test_a_transformer_s_patches_are_no_convolutional_tower(tmp_path: Path) -> None:
    """The shipped image tower is one; one convolution, or none, is not."""
    assert is_convolutional(onnx.load(str(SOURCE / "image.onnx"), load_external_data=False))
    assert not is_convolutional(onnx.load(str(SOURCE / "text.onnx"), load_external_data=False))
    assert not is_convolutional(tower((0, 0, 0), (1, 1, 1), bias=True, padding=0))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """The shipped image tower, its convolutions in int8."""
    model = onnx.load(str(SOURCE / "image.onnx"))
    del model.graph.value_info[:]
    return quantize_convolutions(model, sample_pixels(96), tmp_path_factory.mktemp("between"))


def test_vectors_stay_near(small: onnx.ModelProto) -> None:
    """Of pictures that told no scale the vectors are nearly those of fp32, alone and in a batch."""
    pixels = sample_pixels(96, seed=1)
    (before,) = InferenceSession(SOURCE / "image.onnx", providers=CPU).run(None, {"pixels": pixels})

    expected = np.asarray(before)
    for batch, wanted in ((pixels, expected), (pixels[:1], expected[:1])):
        assert (answer(small, batch) * wanted).sum(axis=1).min() > 0.99


def test_bytes_go_in_as_they_are(small: onnx.ModelProto) -> None:
    """Nothing but an order of axes lies between the picture and the first convolution, and no weight lies idle."""
    nodes = {node.output[0]: node for node in small.graph.node}
    convolution = next(node for node in small.graph.node if node.op_type == "Conv")
    given = nodes[convolution.input[0]]

    assert "DequantizeLinear" == given.op_type
    assert ("Transpose", ["pixels"]) == (nodes[given.input[0]].op_type, list(nodes[given.input[0]].input))
    used = {value for node in small.graph.node for value in node.input}
    assert {each.name for each in small.graph.initializer} <= used


def test_every_convolution_has_small_weights(small: onnx.ModelProto) -> None:
    """Each convolution's weights are int8, by channel; what stands between two of them is never kept in floats alone."""
    nodes = {node.output[0]: node for node in small.graph.node}
    types = {each.name: each.data_type for each in small.graph.initializer}
    sizes = {each.name: list(each.dims) for each in small.graph.initializer}
    convolutions = [node for node in small.graph.node if node.op_type == "Conv"]

    assert 10 == len(convolutions)
    for node in convolutions:
        weights = nodes[node.input[1]]
        assert TensorProto.INT8 == types[weights.input[0]]
        assert sizes[weights.input[1]] == sizes[weights.input[0]][:1]
        assert "DequantizeLinear" == nodes[node.input[0]].op_type
