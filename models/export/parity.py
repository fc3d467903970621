"""The exported graph must say what the torch model says."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.errors import ExportError
from models.ort import Runtime, open_session
from models.scenes.corpus import generate

# fp32 against fp32: what remains is the order of additions
TOLERANCE = 1e-4


def sample_pixels(side: int, seed: int = 0) -> np.ndarray:
    """Rendered scenes and noise, (8, S, S, 3) uint8."""
    scenes = [each.image for each in generate("val", 4, seed, side)]
    noise = np.random.default_rng(seed).integers(0, 256, (4, side, side, 3), dtype=np.uint8)
    return np.concatenate([np.stack(scenes), noise])


def run(path: Path, name: str, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Outputs (n, d) float32 of a graph, one for each input."""
    session = open_session(path, Runtime(), memory_pattern=False)
    return [session.run(["embedding"], {name: values})[0].astype(np.float32) for values in inputs]


def check(path: Path, name: str, module: nn.Module, inputs: Sequence[np.ndarray]) -> float:
    """Compare a graph with a torch module.

    Returns:
        The greatest absolute difference over all inputs.

    Raises:
        ExportError: it is above `TOLERANCE`, or not a number.
    """
    worst = 0.0
    for values, found in zip(inputs, run(path, name, inputs), strict=True):
        with torch.no_grad():
            expected = module(torch.from_numpy(values)).numpy()
        difference = float(np.abs(found - expected).max())
        # not `>`: a NaN must not pass
        if not difference <= TOLERANCE:
            raise ExportError(
                f"the exported {path.stem} graph is off by {difference:.2g} from torch on input {values.shape}, "
                f"{TOLERANCE} is allowed: this architecture cannot be exported; report it with its name"
            )
        worst = max(worst, difference)
    return worst


def least_cosine(reference: Path, path: Path, name: str, inputs: Sequence[np.ndarray]) -> float:
    """The least cosine between the outputs of two graphs over all inputs."""
    cosines: list[float] = []
    for left, right in zip(run(reference, name, inputs), run(path, name, inputs), strict=True):
        norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        cosines += ((left * right).sum(axis=1) / norms).tolist()
    # Python's min passes over a NaN that does not come first
    return round(float(np.min(cosines)), 6)
