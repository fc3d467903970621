"""Every generator goes on where it was."""

import random
from pathlib import Path

import numpy as np
import torch

from models.training.randomness import random_state, restore


def _draw() -> tuple[float, float, float, float]:
    return random.random(), float(np.random.normal()), float(np.random.normal()), torch.rand(()).item()


def test_after_restoring_the_same_lots_are_drawn(tmp_path: Path) -> None:
    """Python, numpy (with its second normal in hand) and torch draw again what they drew, also through a file."""
    np.random.normal()
    torch.save(random_state(), tmp_path / "state.pt")
    first = _draw()
    _draw()

    restore(torch.load(tmp_path / "state.pt", weights_only=True))

    assert first == _draw()
