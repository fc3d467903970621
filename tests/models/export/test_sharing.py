"""Weights that are stored once."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.export.sharing import share_weights
from models.export.to_onnx import save

RNG = np.random.default_rng(0)
COMMON, OWN, OTHER = (RNG.normal(size=(20, 20)).astype(np.float32) for _ in range(3))


def make_graph(path: Path, *weights: np.ndarray) -> Path:
    """x [n, 20] times each matrix in turn, the matrices in a file beside."""
    names = [f"w{number}" for number in range(len(weights))]
    nodes = [helper.make_node("MatMul", [f"x{number}", name], [f"x{number + 1}"]) for number, name in enumerate(names)]
    first, last = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 20]) for name in ("x0", f"x{len(weights)}")
    )
    tensors = [numpy_helper.from_array(weight, name) for name, weight in zip(names, weights, strict=True)]
    graph = helper.make_graph(nodes, "g", [first], [last], tensors)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def run(path: Path) -> np.ndarray:
    """What the graph makes of fixed numbers."""
    values = np.linspace(-1, 1, 60, dtype=np.float32).reshape(3, 20)
    session = onnxruntime.InferenceSession(path)
    return np.asarray(session.run(None, {"x0": values})[0])


def test_a_common_weight_is_stored_once(tmp_path: Path) -> None:
    """The graph computes what it did; its own file keeps only what is new, and the other graph is not touched."""
    other = make_graph(tmp_path / "other.onnx", OTHER, COMMON)
    graph = make_graph(tmp_path / "graph.onnx", COMMON, OWN)
    before, kept = run(graph), {path: path.read_bytes() for path in tmp_path.glob("other*")}

    size = share_weights(graph, [other])

    assert np.array_equal(before, run(graph))
    assert OWN.nbytes == size == (tmp_path / "graph.onnx.data").stat().st_size
    assert kept == {path: path.read_bytes() for path in tmp_path.glob("other*")}


def test_a_graph_of_common_weights_has_no_file_of_its_own(tmp_path: Path) -> None:
    """When all weights lie elsewhere, nothing is left to store."""
    other = make_graph(tmp_path / "other.onnx", OTHER, COMMON)
    graph = make_graph(tmp_path / "graph.onnx", COMMON)
    before = run(graph)

    assert 0 == share_weights(graph, [other])

    assert not (tmp_path / "graph.onnx.data").exists()
    assert np.array_equal(before, run(graph))


def test_a_weight_that_occurs_twice_is_stored_once(tmp_path: Path) -> None:
    """Equal tensors of one graph share their place, with other graphs or without."""
    graph = make_graph(tmp_path / "graph.onnx", OWN, OWN, COMMON)
    before = run(graph)

    size = share_weights(graph, [])

    assert OWN.nbytes <= size - COMMON.nbytes < OWN.nbytes + 64
    assert np.array_equal(before, run(graph))


def test_sharing_twice_changes_nothing(tmp_path: Path) -> None:
    """A graph that shares already stays as it is."""
    other = make_graph(tmp_path / "other.onnx", COMMON)
    graph = make_graph(tmp_path / "graph.onnx", COMMON, OWN)
    share_weights(graph, [other])
    once = {path: path.read_bytes() for path in tmp_path.iterdir()}

    share_weights(graph, [other])

    assert once == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_bit_makes_the_difference(tmp_path: Path) -> None:
    """Weights that differ in one bit are two."""
    nearly = COMMON.copy()
    nearly[3, 3] = np.nextafter(nearly[3, 3], np.float32(9))
    other = make_graph(tmp_path / "other.onnx", COMMON)
    graph = make_graph(tmp_path / "graph.onnx", nearly)

    assert nearly.nbytes == share_weights(graph, [other])


def test_the_graph_stays_valid(tmp_path: Path) -> None:
    """onnx finds every weight where the graph says it is."""
    other = make_graph(tmp_path / "other.onnx", COMMON)
    graph = make_graph(tmp_path / "graph.onnx", OWN, COMMON)
    share_weights(graph, [other])

    onnx.checker.check_model(str(graph))
    found = [numpy_helper.to_array(each) for each in onnx.load(str(graph)).graph.initializer]
    assert [np.array_equal(*pair) for pair in zip(found, (OWN, COMMON), strict=True)] == [True, True]


def test_a_missing_graph_is_an_error(tmp_path: Path) -> None:
    """Sharing with what is not there does not pass in silence."""
    graph = make_graph(tmp_path / "graph.onnx", OWN)

    with pytest.raises(FileNotFoundError):
        share_weights(graph, [tmp_path / "absent.onnx"])
