"""Convolutions in int8, with scales learnt from pictures.

Scales that follow each input, as matrix products have them, ONNX Runtime has no fast kernel for. Nor would fixed ones bring
anything by themselves: bytes would be made floats, normalised channel by channel, and made bytes again, which takes as long as
all convolutions together (scenes-s). So the first convolution takes the picture's bytes as they are, and its weights the
normalisation.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from models.pretrained.quiet import quiet

_BATCH = 32


class _Pictures(CalibrationDataReader):
    """Batches of pictures, once."""

    def __init__(self, pictures: np.ndarray) -> None:
        self._batches: Iterator[np.ndarray] = iter(
            pictures[start : start + _BATCH] for start in range(0, len(pictures), _BATCH)
        )

    # its callers stop at None, whatever its type says
    def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The next batch as the graph's input; None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


def is_convolutional(model: onnx.ModelProto) -> bool:
    """Whether convolutions are its work; a vision transformer has one, that cuts the picture into patches."""
    return sum(node.op_type == "Conv" for node in model.graph.node) > 1


def quantize_convolutions(model: onnx.ModelProto, pictures: np.ndarray, folder: Path) -> onnx.ModelProto:
    """A graph whose convolutions, and what stands between them, are in int8: weights by channel, values by what pictures show.

    Args:
        model: an image tower as `models.export.graphs.ImageGraph` writes it; it is changed.
        pictures: (N, S, S, 3) uint8, of the kind that the model will see: a value beyond all that they lead to is cut.
        folder: for files in between.
    """
    bytes_as = _fold_normalisation(model)
    plain, made = folder / "folded.onnx", folder / "convolutions.onnx"
    onnx.save(model, str(plain), save_as_external_data=True, location="folded.onnx.data")
    fixed = {bytes_as[0]: [{"scale": np.array(1, np.float32), "zero_point": np.array(bytes_as[1], np.uint8)}]}
    with quiet():
        quantize_static(
            plain,
            made,
            _Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # signed values have no fast kernel on x86-64
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "Add", "Relu"],
            nodes_to_quantize=_between_convolutions(model),
            use_external_data_format=True,
            extra_options={"TensorQuantOverrides": fixed},
        )
    return _take_bytes(onnx.load(str(made)), bytes_as[0])


def _between_convolutions(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions and of what they are followed by, so far as it can stay in int8."""
    makers = {node.output[0]: node.op_type for node in model.graph.node}
    names: list[str] = []
    for node in model.graph.node:
        given = {makers.get(value) for value in node.input}
        if node.op_type == "Conv" or (node.op_type in ("Add", "Relu") and given <= {"Conv", "Add", "Relu"}):
            names.append(node.name)
    return names


def _fold_normalisation(model: onnx.ModelProto) -> tuple[str, int]:
    """Let the first convolution's weights normalise: (p - mean) / std, channel by channel, becomes p - z.

    z is one whole number for all channels, the mean rounded, for a convolution's input has one zero. Where the convolution
    sees beyond the picture's edge it then finds z, and not each channel's mean.

    Returns:
        the name of the value p - z, and z.
    """
    nodes = {node.output[0]: node for node in model.graph.node}
    weights = {each.name: each for each in model.graph.initializer}
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    divided = nodes[convolution.input[0]]
    centred = nodes[divided.input[0]]
    mean, std = (numpy_helper.to_array(weights[node.input[1]]).ravel() for node in (centred, divided))
    zero = round(float(mean.mean()))
    kernel = numpy_helper.to_array(weights[convolution.input[1]])
    bias = numpy_helper.to_array(weights[convolution.input[2]]) if len(convolution.input) > 2 else 0
    moved = (kernel * ((zero - mean) / std)[:, None, None]).sum(axis=(1, 2, 3))
    _replace(model, convolution, 1, kernel / std[:, None, None])
    _replace(model, convolution, 2, bias + moved)
    _replace(model, centred, 1, np.float32(zero))
    convolution.input[0] = centred.output[0]
    model.graph.node.remove(divided)
    _drop_unused(model)
    return centred.output[0], zero


def _take_bytes(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Bytes become floats, lose z and are made the same bytes again: that is left out."""
    nodes = {node.output[0]: node for node in model.graph.node}
    rounded = next(node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == name)
    centred = nodes[name]
    cast = nodes[centred.input[0]]
    for node in model.graph.node:
        node.input[:] = [cast.input[0] if value == rounded.output[0] else value for value in node.input]
    for node in (rounded, centred, cast):
        model.graph.node.remove(node)
    _drop_unused(model)
    return model


def _replace(model: onnx.ModelProto, node: NodeProto, place: int, values: np.ndarray | np.float32) -> None:
    """Give a node other weights at one of its inputs; who shares the old ones keeps them."""
    name = f"{node.output[0]}.{place}"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
    while len(node.input) <= place:
        node.input.append("")
    node.input[place] = name


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {value for node in model.graph.node for value in node.input}
    for weight in [each for each in model.graph.initializer if each.name not in used]:
        model.graph.initializer.remove(weight)
