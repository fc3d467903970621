"""Runs of a session whose inputs and outputs lie in buffers that are used again, which a card reads and writes by itself.

What `InferenceSession.run` is given lies anywhere: the driver copies it into pages of its own first, and answers likewise.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnxruntime

from models.cuda import pinned

# of outputs whose sizes are known before a run; others get memory from ONNX Runtime
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_LEAST = 4096

Allocate = Callable[[int], np.ndarray]


class Runner(Protocol):
    """What runs a graph; safe to share between threads."""

    def run(self, output_names: list[str], input_feed: dict[str, np.ndarray], /) -> Sequence[Any]:
        """The outputs of that name, in that order."""
        ...


def pinned_or_not(size: int) -> np.ndarray:
    """(size,) uint8, in pinned pages where there are some to have."""
    found = pinned(size)
    return np.empty(size, np.uint8) if found is None else found


def runner(session: onnxruntime.InferenceSession) -> Runner:
    """Bound runs where a card computes, plain ones elsewhere: beside a CPU's own memory a buffer is only one more copy."""
    return session if session.get_providers()[0] == "CPUExecutionProvider" else BoundSession(session)


class BoundSession:
    """A session that is run on buffers; each run has some for itself while it lasts.

    Args:
        session: of any provider.
        allocate: makes (size,) uint8.
    """

    def __init__(self, session: onnxruntime.InferenceSession, allocate: Allocate = pinned_or_not) -> None:
        self._session = session
        self._allocate = allocate
        self._inputs = {port.name: port.shape for port in session.get_inputs()}
        self._outputs = {port.name: (_TYPES.get(port.type), port.shape) for port in session.get_outputs()}
        # those that no run has now; the last one first, whose pages are warm
        self._idle: deque[_Buffers] = deque()

    def run(self, output_names: list[str], input_feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """What `InferenceSession.run` answers, to the last bit; the arrays are the caller's own."""
        try:
            buffers = self._idle.pop()
        except IndexError:
            buffers = _Buffers(self._allocate)
        binding = self._session.io_binding()
        for name, values in input_feed.items():
            place = buffers.place(name, values.dtype, values.shape)
            np.copyto(place, values)
            binding.bind_input(name, "cpu", 0, place.dtype.type, place.shape, place.ctypes.data)
        places = [self._bind_output(binding, buffers, name, self._sizes(input_feed)) for name in output_names]
        binding.synchronize_inputs()
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        given = binding.get_outputs()
        answers = [value.numpy() if place is None else place.copy() for place, value in zip(places, given, strict=True)]
        # not after a failure, whose copies may still be under way
        self._idle.append(buffers)
        return answers

    def _bind_output(
        self, binding: onnxruntime.IOBinding, buffers: "_Buffers", name: str, sizes: Mapping[str, int]
    ) -> np.ndarray | None:
        """Where the output will be; None where ONNX Runtime chooses, for its size is not known."""
        kind, axes = self._outputs[name]
        shape = [axis if isinstance(axis, int) else sizes.get(axis) for axis in axes]
        if kind is None or None in shape:
            binding.bind_output(name, "cpu")
            return None
        place = buffers.place(name, np.dtype(kind), [size for size in shape if size is not None])
        binding.bind_output(name, "cpu", 0, kind, place.shape, place.ctypes.data)
        return place

    def _sizes(self, feeds: Mapping[str, np.ndarray]) -> dict[str, int]:
        """How large the axes are that have names."""
        return {
            axis: size
            for name, values in feeds.items()
            for axis, size in zip(self._inputs[name], values.shape, strict=True)
            if isinstance(axis, str)
        }


class _Buffers:
    """One for each input and output, as large as the largest that it has held."""

    def __init__(self, allocate: Allocate) -> None:
        self._allocate = allocate
        self._held: dict[str, np.ndarray] = {}

    def place(self, name: str, kind: np.dtype[Any], shape: Sequence[int]) -> np.ndarray:
        """An array of that type and shape at the beginning of a buffer; what it holds is left from before."""
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        held = self._held.get(name)
        if held is None or held.nbytes < size:
            # twice as much each time: few sizes are ever asked for
            held = self._held[name] = self._allocate(max(_LEAST, 1 << (size - 1).bit_length()))
        return held[:size].view(kind).reshape(shape)
