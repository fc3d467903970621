"""Smaller precisions of an exported graph."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.fusion_gelu import FusionGelu
from onnxruntime.transformers.onnx_model import OnnxModel

from models.export.convolutions import is_convolutional, quantize_convolutions
from models.export.to_onnx import save
from models.pretrained.quiet import quiet


def to_fp16(source: Path, target: Path) -> None:
    """Weights and arithmetic in half precision, inputs and outputs as they were: for GPUs."""
    model = onnx.load(str(source))
    # the exporter's notes on inner values say fp32, and would contradict what they become
    del model.graph.value_info[:]
    save(convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True), target)


def to_int8(source: Path, target: Path, pictures: np.ndarray | None = None) -> None:
    """Matrix products in int8, weights scaled per channel, activations as they come: for CPUs.

    Args:
        source: the fp32 graph.
        target: the int8 graph.
        pictures: (N, S, S, 3) uint8 that tell the scales of an image tower's convolutions; without any these stay as they are.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, made = folder / "plain.onnx", folder / "int8.onnx"
        model = onnx.load(str(source))
        # the exporter's notes on inner shapes name the example's batch; inferring them anew would contradict them
        del model.graph.value_info[:]
        if pictures is not None and is_convolutional(model):
            model = quantize_convolutions(model, pictures, folder)
        save(model, plain)
        with quiet():
            quantize_dynamic(
                plain,
                made,
                per_channel=True,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["MatMul", "Gemm"],
                # one file holds at most 2 GB, and embedding tables stay as large as they are
                use_external_data_format=True,
            )
        save(_with_gelu(onnx.load(str(made))), target)


def _with_gelu(model: onnx.ModelProto) -> onnx.ModelProto:
    """GELU as one operator: beside products in int8 its five are a tenth of a text's time.

    ONNX Runtime does that by itself, but not in the order of factors that torch's exporter writes.
    """
    whole = OnnxModel(model)
    FusionGelu(whole).apply()
    # puts the nodes into their order again
    whole.update_graph()
    return whole.model
