"""Smaller precisions of an exported graph."""

import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from models.export.to_onnx import save
from models.pretrained.quiet import quiet


def to_fp16(source: Path, target: Path) -> None:
    """Weights and arithmetic in half precision, inputs and outputs as they were: for GPUs."""
    model = onnx.load(str(source))
    # the exporter's notes on inner values say fp32, and would contradict what they become
    del model.graph.value_info[:]
    save(convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True), target)


def to_int8(source: Path, target: Path) -> None:
    """Matrix products in int8, weights scaled per channel, activations as they come: for CPUs.

    Convolutions stay as they are: ONNX Runtime has no fast kernel for them with dynamic scales.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        model = onnx.load(str(source))
        # the exporter's notes on inner shapes name the example's batch; inferring them anew would contradict them
        del model.graph.value_info[:]
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
        save(onnx.load(str(made)), target)
