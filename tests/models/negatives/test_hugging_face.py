"""Hugging Face masked language models, made here: no network."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from models.negatives.editor import Caption
from models.negatives.errors import MaskedLmInvalid
from models.negatives.hugging_face import HuggingFaceModel, load_hugging_face
from models.negatives.lexicon import Lexicon
from models.negatives.masked import MaskedEditor
from models.negatives.words import split_words
from tests.models.negatives.small_bert import save_small_bert


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A random BERT of one layer with a WordPiece vocabulary, saved as its library saves it."""
    save_small_bert(tmp_path)
    return tmp_path


def words_at(model: HuggingFaceModel, text: str, place: int) -> tuple[set[str], float | None]:
    """The guesses at a word, and the original's log-probability."""
    (guess,) = model.guess([(text, split_words(text)[place])], 100)
    return set(guess.words), guess.original


def test_guesses_are_whole_words(folder: Path) -> None:
    """No part of a word, sign or special piece is a guess; one-letter words are none either."""
    words, original = words_at(load_hugging_face(str(folder)), "A dog on a box.", 1)

    assert {"dog", "cat", "zebra", "red", "on", "box", "shirt", "man", "ele"} == words
    assert original is not None and original < 0


@pytest.mark.parametrize(
    ("text", "place"), [("an elephant.", 1), ("a man's box", 1), ("a red t-shirt", 2), ("dogs on", 0)]
)
def test_all_pieces_of_a_word_are_masked_at_once(folder: Path, text: str, place: int) -> None:
    """A word of several pieces gives way to one mask; how likely it was is the product over its pieces, a mask each."""
    model = load_hugging_face(str(folder))

    words, original = words_at(model, text, place)

    assert "zebra" in words
    word = split_words(text)[place]
    encoded = model._tokenizer(text, return_offsets_mapping=True)
    its = [
        number
        for number, (start, end) in enumerate(encoded["offset_mapping"])
        if start < end and start < word.end and end > word.start
    ]
    ids = torch.tensor([encoded["input_ids"]])
    masked = ids.clone()
    masked[0, its] = model._mask
    with torch.no_grad():
        log_p = model._model(input_ids=masked).logits[0].log_softmax(dim=1)
    assert len(its) > 1
    assert original == pytest.approx(float(log_p[its, ids[0, its]].sum()), abs=1e-4)


def test_words_of_pieces_that_it_lacks_are_not_chosen(folder: Path) -> None:
    """How likely they are cannot be told: then nothing could be refused for being likelier."""
    model = load_hugging_face(str(folder))

    assert model.knows("dog") and model.knows("elephant")
    assert not model.knows("狗") and not model.knows("")


def test_the_rest_of_the_text_is_read(folder: Path) -> None:
    """Guesses depend on the other words, and not on the batch they are in."""
    model = load_hugging_face(str(folder))
    short, other, longer = "a dog on", "red dog on", "a cat on a red box on a box"

    guesses = model.guess([(text, split_words(text)[1]) for text in (short, other, longer)], 5)
    (alone,) = model.guess([(short, split_words(short)[1])], 5)

    assert not np.allclose(guesses[0].log_p, guesses[1].log_p)
    np.testing.assert_allclose(alone.log_p, guesses[0].log_p, atol=1e-5)


def test_a_long_text_is_cut_around_the_word(folder: Path) -> None:
    """A text beyond the model's positions is guessed from what stands around the word."""
    text = " ".join(["a red dog"] * 20)

    assert words_at(load_hugging_face(str(folder)), text, 59)[0]


def test_it_edits_like_any_other(folder: Path) -> None:
    """The editor takes it as it takes the small model; the labels are right."""
    editor = MaskedEditor(load_hugging_face(str(folder)), Lexicon())

    made = editor.edit([Caption("a dog on a box")] * 20, np.random.default_rng(0))

    found = [edit for edit in made if edit]
    assert found and all(edit.text != "a dog on a box" and any(edit.wrong) for edit in found)


def test_byte_level_pieces_are_words_where_a_space_begins_them() -> None:
    """In vocabularies that mark a word's beginning, a piece without the mark is a part of a word."""
    pieces = {"<pad>": 0, "<mask>": 1, "Ġdog": 2, "dog": 3, "Ġcat": 4, "s": 5, "Ġ": 6, "?": 7}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(pieces, unk_token="?")), mask_token="<mask>", pad_token="<pad>"
    )
    config = transformers.RobertaConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()

    words, _ = words_at(HuggingFaceModel(transformers.RobertaForMaskedLM(config), tokenizer), "dog cat", 0)

    assert {"dog", "cat"} == words


def test_the_first_word_is_one_as_any_other() -> None:
    """Byte-level pieces mark the blank before a word: the first has one too, so its likelihood is of the same piece as a guess's."""
    pieces = {"<pad>": 0, "<mask>": 1, "Ġdog": 2, "dog": 3, "Ġcat": 4, "?": 5}
    backend = Tokenizer(models.WordLevel(pieces, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, mask_token="<mask>", pad_token="<pad>", unk_token="?"
    )
    config = transformers.RobertaConfig(
        vocab_size=6, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    model = HuggingFaceModel(transformers.RobertaForMaskedLM(config), tokenizer)

    for text, place in (("dog cat", 0), ("cat dog", 1)):
        (guess,) = model.guess([(text, split_words(text)[place])], 5)
        assert dict(zip(guess.words, guess.log_p.tolist(), strict=True))["dog"] == pytest.approx(guess.original)
    assert model.knows("dog")
    assert not model.knows("horse")


def test_equal_weights_are_one_version(folder: Path) -> None:
    """The version is of the content: loading twice gives the same, other weights another."""
    model = load_hugging_face(str(folder))
    changed = load_hugging_face(str(folder))._model
    with torch.no_grad():
        next(changed.parameters()).add_(1)

    assert model.version == load_hugging_face(str(folder)).version
    assert model.version != HuggingFaceModel(changed, model._tokenizer).version


def test_a_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    """One sentence names the source and the ways out."""
    with pytest.raises(MaskedLmInvalid, match=r"cannot be had .*vilem train-mlm") as caught:
        load_hugging_face(str(tmp_path))

    assert "\n" not in str(caught.value)


def test_a_hub_that_does_not_answer_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of the hub is the same one sentence."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fail)

    with pytest.raises(MaskedLmInvalid, match=r"'some/model' cannot be had \(We couldn't connect\)"):
        load_hugging_face("some/model")


def test_a_tokenizer_without_a_mask_is_refused(folder: Path) -> None:
    """A model that was not trained with masks cannot guess."""
    model = load_hugging_face(str(folder))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=model._tokenizer.backend_tokenizer)

    with pytest.raises(MaskedLmInvalid, match="with a mask"):
        HuggingFaceModel(model._model, tokenizer)
