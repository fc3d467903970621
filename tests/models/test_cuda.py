"""CUDA itself: whether there is a card, and memory that it reads."""

import gc
from pathlib import Path

import numpy as np
import pytest

from models import cuda
from models.cuda import has_card, pinned


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), False),
        (("nvidiactl", "nvidia-uvm", "null"), False),
        (("nvidia0", "nvidiactl"), True),
        (("nvidia12",), True),
        (("dxg",), True),
    ],
)
def test_a_card_is_a_device_file(tmp_path: Path, names: tuple[str, ...], expected: bool) -> None:
    """The driver's own files, which are there without any card, do not count."""
    for name in names:
        (tmp_path / name).touch()

    assert expected == has_card(tmp_path)


def test_without_cuda_nothing_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its library is not installed there is no such memory, and no error."""
    monkeypatch.setattr(cuda, "_RUNTIMES", ("libno-such-cudart.so",))
    cuda._runtime.cache_clear()  # pyright: ignore[reportPrivateUsage]
    try:
        assert pinned(4096) is None
    finally:
        cuda._runtime.cache_clear()  # pyright: ignore[reportPrivateUsage]


def test_pinned_memory_is_memory() -> None:
    """It is of the size that was asked for, keeps what is written, and outlives the first name for it."""
    values = pinned(10_000)
    if values is None:
        pytest.skip("this machine has no CUDA, or no card")

    look = values[5_000:]
    values[:] = np.arange(10_000) % 251
    del values
    gc.collect()

    assert (np.arange(5_000, 10_000) % 251).tolist() == look.tolist()
