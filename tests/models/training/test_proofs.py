"""Proofreading, measured: right about a module that reads pictures, and about one that does not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from models.evaluation.judged import editable
from models.negatives.edited import aligned
from models.negatives.editor import Caption
from models.training.batch import Batch
from models.training.data import SceneArrays
from models.training.editing import EditMaker, Vocabulary
from models.training.features import normalised
from models.training.objective import Objective, with_proofreading
from models.training.proofs import judged_words, proofread
from models.training.recipe import ProofreadingPart
from models.training.tokenizer import token_ids, train_tokenizer
from models.training.towers import build_towers
from tests.models.training.edits import ColourEditor
from tests.models.training.small import TRANSFORMER, small_recipe

COLOURS = ("red", "green", "blue", "yellow")
PAINT = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200), "yellow": (200, 200, 0)}
CAPTIONS = [(f"a {colour} picture",) for colour in COLOURS * 6]
TOKENIZER = train_tokenizer([texts[0] for texts in CAPTIONS] * 20, 400)
VOCABULARY = Vocabulary.of((texts[0] for texts in CAPTIONS), 50)
SCENES = SceneArrays(
    np.stack([np.full((64, 64, 3), PAINT[colour], np.uint8) for colour in COLOURS * 6]), CAPTIONS, np.zeros(24, bool)
)


@pytest.fixture
def objective(tmp_path: Path) -> Objective:
    """Untrained towers and module."""
    # small tensors: more threads only wait for each other
    torch.set_num_threads(1)
    torch.manual_seed(0)
    towers = build_towers(small_recipe(tmp_path, TRANSFORMER), TOKENIZER.get_vocab_size())
    return with_proofreading(towers, ProofreadingPart(width=16, heads=2), 64, len(VOCABULARY))


def make_edits(unedited: float = 0.3) -> EditMaker:
    """Another of the four colours, most of the time: what is wrong of one picture is right of another."""
    return EditMaker(ColourEditor(COLOURS), TOKENIZER, VOCABULARY, unedited)


def test_an_untrained_module_knows_nothing(objective: Objective) -> None:
    """Figures are those of chance or of words alone: the picture changes little, and hardly a word is restored."""
    proofs = proofread(objective, SCENES, make_edits())

    assert abs(proofs.detection.gain) < 0.2
    assert proofs.correction.accuracy < 0.5
    assert proofs.correction.words > 9


def test_a_trained_module_needs_the_right_picture(objective: Objective) -> None:
    """After a few steps on coloured pictures it finds wrong colours and restores them, but not beside other pictures."""
    edits, optimizer = make_edits(), torch.optim.AdamW(objective.parameters(), lr=3e-3)
    pixels = normalised(objective.towers, torch.from_numpy(SCENES.images))
    ids = token_ids(TOKENIZER, [texts[0] for texts in CAPTIONS])
    captions = [Caption(texts[0]) for texts in CAPTIONS]
    for step in range(140):
        drawn = edits.draw(captions, np.random.default_rng(step))
        parts = objective.train()(Batch(pixels, ids, edits.lay_out(drawn)))
        optimizer.zero_grad()
        (parts["detection"] + parts["correction"]).backward()
        optimizer.step()

    proofs = proofread(objective, SCENES, edits)

    assert proofs.detection.auroc > 0.9
    assert proofs.detection.shuffled < 0.65
    assert proofs.correction.accuracy > 0.9
    assert {"words_auroc", "words_auroc_shuffled", "words_corrected"} == proofs.figures().keys()


def test_equal_seeds_measure_the_same(objective: Objective) -> None:
    """The edits and the shuffle come from the seed."""
    first, again, other = (proofread(objective, SCENES, make_edits(), seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize(("scenes", "unedited"), [(1, 0.0), (24, 1 - 1e-9)])
def test_of_one_picture_or_no_wrong_word_nothing_is_said(objective: Objective, scenes: int, unedited: float) -> None:
    """An area under a curve needs wrong words and right ones, the control two pictures: without them there are no figures."""
    few = SceneArrays(SCENES.images[:scenes], CAPTIONS[:scenes], np.zeros(scenes, bool))

    assert proofread(objective, few, make_edits(unedited)) is None


def test_a_word_beyond_the_context_is_not_judged() -> None:
    """Nothing was read of it, so its label would be a guess: of a caption that is cut, the words before the cut are judged alone."""
    tokenizer = Tokenizer.from_str(TOKENIZER.to_str())
    tokenizer.enable_truncation(4)
    edits = [aligned("a red picture of a red picture", "a blue picture of a blue picture", "attribute")]
    batch = EditMaker(ColourEditor(COLOURS), tokenizer, VOCABULARY, 0.3).lay_out(edits)

    mask = judged_words(edits, editable(edits), batch)

    assert {"blue", "red"} == editable(edits)
    assert [1] == mask[0].nonzero().flatten().tolist()


def test_towers_without_a_module_cannot_be_asked(objective: Objective) -> None:
    """Plain towers have nothing to proofread with, and it is said."""
    with pytest.raises(ValueError, match="without proofreading"):
        proofread(Objective(objective.towers), SCENES, make_edits())
