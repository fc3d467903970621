"""What is asked of CUDA itself, and not through ONNX Runtime: whether there is a card, and memory that it reads by itself."""

import ctypes
import weakref
from functools import cache
from pathlib import Path

import numpy as np

# those that ONNX Runtime's builds need: the one it has loaded is found by its name alone
_RUNTIMES = ("libcudart.so.13", "libcudart.so.12")
# of cudaHostAlloc: for every thread's context
_PORTABLE = 1


def has_card(devices: Path = Path("/dev")) -> bool:
    """Whether NVIDIA's driver shows this process a card (its own device files, or those of Windows' Linux).

    Nothing is opened: a process that has asked CUDA itself could not be forked any more.
    """
    return any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()


def pinned(size: int) -> np.ndarray | None:
    """(size,) uint8 in pages that stay where they are, so that a card copies them by itself; None without CUDA or a card.

    They are given back when the array, and all that looks into it, is gone.
    """
    runtime = _runtime()
    address = ctypes.c_void_p()
    if runtime is None or runtime.cudaHostAlloc(ctypes.byref(address), ctypes.c_size_t(size), _PORTABLE) != 0:
        return None
    assert address.value is not None
    pages = (ctypes.c_uint8 * size).from_address(address.value)
    # when the process ends the driver takes them back, maybe before Python would
    weakref.finalize(pages, runtime.cudaFreeHost, address).atexit = False
    return np.frombuffer(memoryview(pages), np.uint8)


@cache
def _runtime() -> ctypes.CDLL | None:
    for name in _RUNTIMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            # that version is not installed
            continue
    return None
