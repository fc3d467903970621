"""A torch module becomes an ONNX file with its weights beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from models.pretrained.quiet import quiet

OPSET = 18
# Smaller tensors stay in the graph: a shape constant in another file would only cost a look-up.
_EXTERNAL_FROM_BYTES = 1024
# An axis that may have any size needs an upper bound for the exporter's proofs; nothing checks it later.
MOST = 4096

# an example of an input, and by their number the axes that may be of any size, as `torch.export.Dim`s
Port = tuple[torch.Tensor, dict[int, Any]]


def export_graph(
    module: nn.Module, example: torch.Tensor, name: str, path: Path, *, dynamic_length: int | None = None
) -> None:
    """Write *module* as *path* and its weights as `path.data`, which ONNX Runtime maps instead of reading.

    Args:
        module: one input, one output.
        example: an input; its first axis, and where *dynamic_length* is given its second, may be any size later.
        name: of the input.
        path: of the graph.
        dynamic_length: the greatest size of the second axis.
    """
    axes = {0: torch.export.Dim("n", min=1, max=MOST)}
    if dynamic_length is not None:
        axes[1] = torch.export.Dim("l", min=1, max=dynamic_length)
    export_ports(module, {name: (example, axes)}, ("embedding",), path)


def export_ports(module: nn.Module, inputs: Mapping[str, Port], outputs: Sequence[str], path: Path) -> None:
    """Write *module*, of any inputs and outputs, as `export_graph` does.

    Args:
        module: takes and answers tensors by position.
        inputs: by name, in the module's order: an example, and which of its axes may be of any size later.
        outputs: their names, in the module's order.
        path: of the graph.
    """
    # the fused inference path of nn.MultiheadAttention has no ONNX form
    torch.backends.mha.set_fastpath_enabled(False)
    # "embedding" is also an operator's name, which the exporter confuses: renamed below
    given = ["vector"] if len(outputs) == 1 else [f"vector_{name}" for name in outputs]
    with torch.no_grad(), quiet():
        program = torch.onnx.export(
            module.eval(),
            tuple(example for example, _ in inputs.values()),
            input_names=list(inputs),
            output_names=given,
            dynamic_shapes=tuple(axes for _, axes in inputs.values()),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for place, name in enumerate(outputs):
        rename_output(model, name, place)
    save(without_traces(model), path)


def rename_output(model: onnx.ModelProto, name: str, place: int = 0) -> onnx.ModelProto:
    """Give an output of a graph, by its place, another name; a value inside that has this name makes room for it."""
    names = {name: f"{name}.inner", model.graph.output[place].name: name}
    for node in model.graph.node:
        node.input[:] = [names.get(value, value) for value in node.input]
        node.output[:] = [names.get(value, value) for value in node.output]
    for value in (*model.graph.initializer, *model.graph.value_info, *model.graph.output):
        value.name = names.get(value.name, value.name)
    return model


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take out what the exporter notes of its own work: file names of the machine that exported, at every node."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return model


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph, its weights in one file beside it."""
    data = path.with_name(f"{path.name}.data")
    onnx.save(
        model,
        str(path),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=data.name,
        size_threshold=_EXTERNAL_FROM_BYTES,
    )
    if data.exists():
        # onnx makes it readable by its owner alone
        data.chmod(0o644)
