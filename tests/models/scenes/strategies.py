"""Scenes for property tests."""

import numpy as np
from hypothesis import strategies as st

from models.scenes.grammar import Scene, Split, sample_scene

SPLITS: tuple[Split, ...] = ("train", "val", "test")

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Any scene that the generator makes, of any split."""
    return sample_scene(draw(generators), draw(st.sampled_from(SPLITS)))
