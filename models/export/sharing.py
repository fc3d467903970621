"""Weights that two graphs have in common lie in one file: a graph may point to tensors beside another."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto

# ONNX Runtime maps tensors; its vector instructions like them on cache lines
_ALIGNMENT = 64


def share_weights(path: Path, others: Sequence[Path]) -> int:
    """Let graph *path* point to every tensor that lies, byte for byte, beside one of *others*.

    Its own data file keeps the rest, each tensor once, and goes away when nothing is left of it.

    Args:
        path: a graph with its weights in `path.data`.
        others: graphs in the same folder, which stay as they are.

    Returns:
        Bytes in its own data file afterwards.
    """
    known: dict[bytes, tuple[str, int]] = {}
    for other in others:
        for tensor in _external(onnx.load(str(other), load_external_data=False)):
            location, offset, _ = _place(tensor)
            known.setdefault(_hash(other.parent, tensor), (location, offset))
    model = onnx.load(str(path), load_external_data=False)
    own = path.with_name(f"{path.name}.data")
    data = bytearray()
    for tensor in _external(model):
        key, length = _hash(path.parent, tensor), _place(tensor)[2]
        if key not in known:
            data += bytes(-len(data) % _ALIGNMENT)
            known[key] = (own.name, len(data))
            data += _bytes(path.parent, tensor)
        location, offset = known[key]
        _point(tensor, location, offset, length)
    own.unlink(missing_ok=True)
    if data:
        own.write_bytes(data)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return len(data)


def _external(model: onnx.ModelProto) -> Iterator[TensorProto]:
    return (tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL)


def _place(tensor: TensorProto) -> tuple[str, int, int]:
    """File name, offset and length."""
    found = {entry.key: entry.value for entry in tensor.external_data}
    return found["location"], int(found.get("offset", 0)), int(found["length"])


def _bytes(folder: Path, tensor: TensorProto) -> bytes:
    location, offset, length = _place(tensor)
    with (folder / location).open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _hash(folder: Path, tensor: TensorProto) -> bytes:
    return hashlib.sha256(_bytes(folder, tensor)).digest()


def _point(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
