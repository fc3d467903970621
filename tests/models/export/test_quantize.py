"""Smaller precisions of a graph."""

from pathlib import Path

import numpy as np
import onnx
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


def test_gelu_is_one_operator(tmp_path: Path) -> None:
    """Beside products in int8 no GELU is left in pieces, whatever order of factors the exporter wrote."""
    to_int8(SOURCE / "text.onnx", tmp_path / "small.onnx")

    kinds = [node.op_type for node in onnx.load(str(tmp_path / "small.onnx"), load_external_data=False).graph.node]
    assert ("Erf" in kinds, kinds.count("Gelu")) == (False, 3)


def test_with_pictures_convolutions_are_small_too(tmp_path: Path) -> None:
    """With pictures to tell scales the convolutions are int8 too: a quarter of the bytes, and much the same vectors."""
    pixels = sample_pixels(96)
    to_int8(SOURCE / "image.onnx", tmp_path / "image.onnx", pixels)

    assert least_cosine(SOURCE / "image.onnx", tmp_path / "image.onnx", "pixels", [sample_pixels(96, seed=3)]) > 0.99
    before = (SOURCE / "image.onnx.data").stat().st_size
    assert (tmp_path / "image.onnx.data").stat().st_size < 0.3 * before
