"""Graph against torch."""

import numpy as np
import torch

from models.bundle import BUILT_IN
from models.export.parity import least_cosine, run, sample_pixels

IMAGE = BUILT_IN / "scenes-s" / "image.onnx"


def test_samples_are_scenes_and_noise() -> None:
    """Eight pictures of the size asked for, equal for equal seeds, all different."""
    pixels = sample_pixels(64, seed=1)

    assert (8, 64, 64, 3) == pixels.shape
    assert np.array_equal(pixels, sample_pixels(64, seed=1))
    assert 8 == len({picture.tobytes() for picture in pixels})


def test_a_graph_agrees_with_itself() -> None:
    """The least cosine of a graph with itself is 1, and its vectors have unit norm."""
    pixels = sample_pixels(96)

    assert 1.0 == round(least_cosine(IMAGE, IMAGE, "pixels", [pixels]), 5)
    norms = torch.from_numpy(run(IMAGE, "pixels", [pixels])[0]).norm(dim=1)
    assert torch.allclose(torch.ones(8), norms, atol=1e-4)
