"""The small masked language model on disk, and what it guesses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.negatives.editor import Caption
from models.negatives.errors import MaskedLmInvalid
from models.negatives.lexicon import Lexicon
from models.negatives.masked import MaskedEditor
from models.negatives.masked_lm import WordModel, load_masked_lm, pad, save_masked_lm
from models.negatives.words import split_words
from tests.models.negatives.small_lm import captions, trained

TEXT = "a red circle left of a blue square; the background is mint"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved model."""
    save_masked_lm(trained()[0].model(), tmp_path / "mlm")
    return tmp_path / "mlm"


def ask(model: WordModel, text: str, place: int, top: int = 10) -> tuple[str, ...]:
    """The guesses at a word."""
    return model.guess([(text, split_words(text)[place])], top)[0].words


def test_a_model_survives_being_saved(folder: Path) -> None:
    """Loaded again it is the same version and guesses the same."""
    before, after = trained()[0].model(), load_masked_lm(folder)

    assert before.version == after.version
    assert ask(before, TEXT, 1) == ask(after, TEXT, 1)


def test_guesses_come_with_the_original() -> None:
    """Guesses are the likeliest first, log-probabilities of a distribution, and tell how likely the original is."""
    model = trained()[0].model()

    (guess,) = model.guess([(TEXT, split_words(TEXT)[1])], 10_000)

    assert list(guess.log_p) == sorted(guess.log_p, reverse=True)
    assert 1 == pytest.approx(np.exp(guess.log_p).sum(), abs=1e-4)
    assert guess.original == pytest.approx(guess.log_p[guess.words.index("red")], abs=1e-5)


def test_batches_do_not_change_guesses() -> None:
    """A text is guessed the same alone and beside longer ones."""
    model = trained()[0].model()
    longer = " and ".join([TEXT] * 5)

    alone = model.guess([(TEXT, split_words(TEXT)[1])], 5)[0]
    beside = model.guess([(longer, split_words(longer)[3]), (TEXT, split_words(TEXT)[1])], 5)[1]

    assert alone.words == beside.words
    np.testing.assert_allclose(alone.log_p, beside.log_p, atol=1e-4)


def test_a_long_text_is_cut_around_the_word() -> None:
    """A word beyond the context is guessed from what stands around it."""
    text = " and ".join([TEXT] * 20)

    assert 10 == len(ask(trained()[0].model(), text, len(split_words(text)) - 1))


def test_unknown_words_are_not_known() -> None:
    """Only words of the vocabulary can be chosen; others have no probability."""
    model = trained()[0].model()

    assert model.knows("circle") and not model.knows("zebra")
    assert model.guess([("a zebra", split_words("a zebra")[1])], 3)[0].original is None


def test_it_edits_captions() -> None:
    """With a lexicon of the corpus it edits most scene captions."""
    editor = MaskedEditor(trained()[0].model(), Lexicon.learn(captions()))

    made = editor.edit([Caption(text) for text in captions()[:40]], np.random.default_rng(0))

    assert sum(edit is not None for edit in made) >= 30


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_an_altered_file_is_refused(folder: Path, name: str) -> None:
    """A flipped byte or a missing file is named."""
    data = bytearray((folder / name).read_bytes())
    data[-3] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(MaskedLmInvalid, match=f"{name} is altered"):
        load_masked_lm(folder)

    (folder / name).unlink()
    with pytest.raises(MaskedLmInvalid, match=f"{name} is missing"):
        load_masked_lm(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"format": 9}, "format 9"), ({"shape": {"vocabulary": 1}}, "shape.vocabulary"), ({"more": 1}, "more")],
)
def test_another_config_is_refused(folder: Path, change: dict[str, object], said: str) -> None:
    """Another format or a field that is wrong is named."""
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(MaskedLmInvalid, match=said):
        load_masked_lm(folder)


def test_other_sizes_are_refused(folder: Path) -> None:
    """Weights that are not of the network that the config describes are refused."""
    config = json.loads((folder / "config.json").read_text())
    config["shape"]["width"] = 64
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(MaskedLmInvalid, match="does not hold the model"):
        load_masked_lm(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """The message says how to make one."""
    with pytest.raises(MaskedLmInvalid, match="vilem train-mlm"):
        load_masked_lm(tmp_path)


def test_a_folder_is_never_overwritten(folder: Path) -> None:
    """Saving over a folder is refused."""
    with pytest.raises(FileExistsError):
        save_masked_lm(trained()[0].model(), folder)


def test_rows_are_padded_with_zero() -> None:
    """Short rows end in zeros."""
    assert torch.equal(torch.tensor([[3, 4], [5, 0]]), pad([[3, 4], [5]]))
