"""Smaller precisions of a graph."""

from pathlib import Path

import numpy as np
import pytest

from models.bundle import BUILT_IN
from models.export.parity import least_cosine, sample_pixels
from models.export.quantize import to_fp16, to_int8

SOURCE = BUILT_IN / "scenes-s"
IDS = np.array([[510, 5, 6, 7, 484], [510, 9, 8, 7, 484]]) % 485


@pytest.mark.parametrize(("convert", "name", "least"), [(to_fp16, "fp16", 0.999), (to_int8, "int8", 0.95)])
def test_a_smaller_graph_says_nearly_the_same(convert: object, name: str, least: float, tmp_path: Path) -> None:
    """The shipped model's graphs in a smaller precision load, are smaller, and keep the direction of vectors."""
    assert callable(convert)
    for graph, port, values in (("image", "pixels", sample_pixels(96)), ("text", "ids", IDS)):
        target = tmp_path / f"{graph}.{name}.onnx"
        convert(SOURCE / f"{graph}.onnx", target)

        assert least_cosine(SOURCE / f"{graph}.onnx", target, port, [values]) > least
        before = (SOURCE / f"{graph}.onnx.data").stat().st_size
        assert target.with_name(f"{target.name}.data").stat().st_size < before
