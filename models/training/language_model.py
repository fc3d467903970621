"""A language model that a run trains for itself: of its own captions, before all else, once.

So that a recipe whose edits a masked language model makes is one command where there is neither a hub nor a model at hand.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import torch

from models.negatives.masked_lm import FORMAT, load_masked_lm, save_masked_lm
from models.negatives.masked_training import MlmSettings, train_masked_lm
from models.training.parts import EditsPart


def with_language_model(
    part: EditsPart, captions: Sequence[tuple[str, ...]], folder: Path, settings: MlmSettings | None = None
) -> EditsPart:
    """The same part, its language model named by its folder.

    Args:
        part: what a recipe asks for.
        captions: of the training pictures, to learn from where it asks for a model of its own.
        folder: that keeps the model; one of these captions, under these settings, is trained once.
        settings: of its training; None for those of `vilem train-mlm`.

    Raises:
        CorpusTooSmall: the captions are too few to learn from.
    """
    if not part.own_lm:
        return part
    texts = [text for several in captions for text in several]
    settings = settings or MlmSettings()
    home = folder / f"masked-lm-{sha256(repr((FORMAT, settings, texts)).encode()).hexdigest()[:12]}"
    if not home.exists():
        # what the run draws does not depend on whether the model was there
        with torch.random.fork_rng():
            training = train_masked_lm(texts, settings)
            for _ in training.run():
                pass
        save_masked_lm(training.model(), home)
    return part.model_copy(update={"own_lm": False, "masked_lm": home})


def check_language_model(part: EditsPart | None) -> None:
    """See that the language model that a later stage names is there, before the stages that come first.

    Raises:
        MaskedLmInvalid: it cannot be loaded.
    """
    if part is not None and part.masked_lm is not None:
        load_masked_lm(part.masked_lm.expanduser())
