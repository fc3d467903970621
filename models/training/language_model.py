"""A language model that a run trains for itself: of its own captions, before all else, once.

So that a recipe whose edits a masked language model makes is one command where there is neither a hub nor a model at hand.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import torch

from models.negatives.hugging_face import CPU, load_hugging_face
from models.negatives.masked import Guesser
from models.negatives.masked_lm import FORMAT, load_masked_lm, save_masked_lm
from models.negatives.masked_training import MlmSettings, train_masked_lm
from models.training.parts import EditsPart

# what is being made, how many are done, of how many
Told = Callable[[str, int, int], None]


def with_language_model(
    part: EditsPart,
    captions: Sequence[tuple[str, ...]],
    folder: Path,
    told: Told | None = None,
    settings: MlmSettings | None = None,
) -> EditsPart:
    """The same part, its language model named by its folder.

    Args:
        part: what a recipe asks for.
        captions: of the training pictures, to learn from where it asks for a model of its own.
        folder: that keeps the model, unless the part has a cache, whose edits go with the model; one of these captions,
            under these settings, is trained once.
        told: hears how many steps are done.
        settings: of its training; None for those of `vilem train-mlm`.

    Raises:
        CorpusTooSmall: the captions are too few to learn from.
    """
    if not part.own_lm:
        return part
    texts = [text for several in captions for text in several]
    settings = settings or MlmSettings()
    name = f"masked-lm-{sha256(repr((FORMAT, settings, texts)).encode()).hexdigest()[:12]}"
    home = (folder if part.cache is None else part.cache.expanduser()) / name
    if not home.exists():
        _train(texts, settings, home, told)
    return part.model_copy(update={"own_lm": False, "masked_lm": home})


def load_language_model(part: EditsPart, device: torch.device = CPU) -> Guesser:
    """The language model that a part names.

    Args:
        part: names it.
        device: that a Hugging Face model guesses on; our own are too small to gain by one.

    Raises:
        MaskedLmInvalid: it cannot be loaded.
    """
    if part.masked_lm is not None:
        return load_masked_lm(part.masked_lm.expanduser())
    return load_hugging_face(part.hugging_face or "", device)


def check_language_model(part: EditsPart | None) -> None:
    """See that the language model that a later stage names is there, before the stages that come first.

    Raises:
        MaskedLmInvalid: it cannot be loaded.
    """
    if part is not None and part.masked and not part.own_lm:
        load_language_model(part)


def _train(texts: Sequence[str], settings: MlmSettings, home: Path, told: Told | None) -> None:
    cards = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    # what the run draws does not depend on whether the model was there
    with torch.random.fork_rng(cards):
        training = train_masked_lm(texts, settings)
        for step in training.run():
            if told is not None:
                told("steps of the captions' language model", step.number, step.of)
    home.parent.mkdir(parents=True, exist_ok=True)
    save_masked_lm(training.model(), home)
