"""Graphs as files."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from models.export.to_onnx import export_graph, rename_output


class Doubled(nn.Module):
    """Twice its input, through a weight that is large enough to lie beside the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(2 * torch.eye(32))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Double."""
        return values @ self.weight


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its graph."""
    path = tmp_path_factory.mktemp("graph") / "double.onnx"
    export_graph(Doubled(), torch.ones(3, 32), "values", path)
    return path


def test_any_number_of_rows_is_taken(double: Path) -> None:
    """The first axis is free; the weights lie in a file beside, readable by all."""
    session = onnxruntime.InferenceSession(double)
    for rows in (1, 2, 17):
        values = np.random.default_rng(rows).normal(size=(rows, 32)).astype(np.float32)
        assert np.allclose(2 * values, np.asarray(session.run(["embedding"], {"values": values})[0]), atol=1e-5)
    data = double.with_name("double.onnx.data")
    assert data.stat().st_size >= 4 * 32 * 32
    assert 0o644 == data.stat().st_mode & 0o777


def test_a_graph_tells_nothing_of_the_machine(double: Path) -> None:
    """The exporter notes at every node where in whose files it came from; a bundle carries none of that."""
    data = double.read_bytes()

    assert b".py" not in data
    assert str(Path(__file__).parents[3]).encode() not in data


def test_renaming_makes_room() -> None:
    """A value inside that has the new name gets another, and the graph computes what it did."""
    nodes = [
        onnx.helper.make_node("Neg", ["x"], ["embedding"]),
        onnx.helper.make_node("Neg", ["embedding"], ["vector"]),
    ]
    x, vector = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("x", "vector"))
    graph = onnx.helper.make_graph(nodes, "g", [x], [vector])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])

    renamed = rename_output(model, "embedding")

    onnx.checker.check_model(renamed)
    assert ["embedding"] == [output.name for output in renamed.graph.output]
    assert ["embedding.inner"] == list(renamed.graph.node[0].output)
