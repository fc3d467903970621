"""The state of every generator that chance in a run may come from."""

import random

import numpy as np
import torch


def random_state() -> dict[str, object]:
    """Of Python, numpy, torch and its GPU, as values that a checkpoint can hold."""
    name, keys, place, has_normal, normal = np.random.get_state()
    state: dict[str, object] = {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), int(place), int(has_normal), float(normal)),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore(state: dict) -> None:
    """Go on from `random_state`; a GPU's is left out where there is none."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(state["cuda"])
