"""The exported graph must say what the torch model says."""

from collections.abc import Mapping, Sequence
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
    """`compare` a graph of one input, whose output is "embedding"."""
    return compare(path, module, [{name: values} for values in inputs], ("embedding",))


def compare(path: Path, module: nn.Module, inputs: Sequence[Mapping[str, np.ndarray]], outputs: Sequence[str]) -> float:
    """Compare a graph with a torch module.

    Args:
        path: of the graph.
        module: takes and answers tensors by position.
        inputs: several times all inputs by name, in the module's order.
        outputs: their names, in the module's order.

    Returns:
        The greatest absolute difference over all inputs; of outputs beyond 1, as a share of their greatest value.

    Raises:
        ExportError: it is above `TOLERANCE`, or not a number.
    """
    session = open_session(path, Runtime(), memory_pattern=False)
    worst = 0.0
    for feeds in inputs:
        with torch.no_grad():
            expected = module(*map(torch.from_numpy, feeds.values()))
        answers = session.run(list(outputs), dict(feeds))
        for name, found, wanted in zip(outputs, answers, _several(expected), strict=True):
            difference = float(np.abs(found - wanted).max(initial=0.0) / np.abs(wanted).max(initial=1.0))
            # not `>`: a NaN must not pass
            if not difference <= TOLERANCE:
                shapes = ", ".join(str(values.shape) for values in feeds.values())
                raise ExportError(
                    f"the exported {path.stem} graph is off by {difference:.2g} from torch in {name} on input {shapes}, "
                    f"{TOLERANCE} is allowed: this architecture cannot be exported; report it with its name"
                )
            worst = max(worst, difference)
    return worst


def _several(answer: torch.Tensor | tuple[torch.Tensor, ...]) -> list[np.ndarray]:
    return [each.numpy() for each in (answer if isinstance(answer, tuple) else (answer,))]


def least_cosine(reference: Path, path: Path, name: str, inputs: Sequence[np.ndarray]) -> float:
    """The least cosine between the outputs of two graphs over all inputs."""
    cosines: list[float] = []
    for left, right in zip(run(reference, name, inputs), run(path, name, inputs), strict=True):
        norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        cosines += ((left * right).sum(axis=1) / norms).tolist()
    # Python's min passes over a NaN that does not come first
    return round(float(np.min(cosines)), 6)
