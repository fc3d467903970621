"""A small masked language model of scene captions, trained for seconds and kept for the session."""

from functools import cache

import torch

from models.negatives.masked_training import MlmReport, MlmSettings, MlmTraining, train_masked_lm
from models.scenes.corpus import example

SETTINGS = MlmSettings(steps=150, batch=32, width=48, layers=1, vocabulary=200, learning_rate=1e-2)


@cache
def captions() -> tuple[str, ...]:
    """Captions of sixty scenes."""
    return tuple(text for number in range(60) for text in example("train", number, 0, 32).captions)


@cache
def trained() -> tuple[MlmTraining, tuple[float, ...], MlmReport]:
    """The finished run, its losses and its report."""
    threads = torch.get_num_threads()
    # on a shared machine threads wait for each other longer than such small matrices take
    torch.set_num_threads(1)
    try:
        training = train_masked_lm(captions(), SETTINGS)
        losses = tuple(step.loss for step in training.run())
        return training, losses, training.measure()
    finally:
        torch.set_num_threads(threads)
