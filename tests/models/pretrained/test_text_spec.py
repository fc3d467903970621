"""Tokenizers as the bundle keeps them."""

import json
from pathlib import Path

import pytest
from torch import nn

from models.errors import ExportError
from models.manifest import TextSpec
from models.open_clip_import import import_open_clip
from models.pretrained.architecture import Architecture
from models.pretrained.text_spec import OpenClipTokenizer, first_line, load_tokenizer, text_of
from tests.models.export.folders import make_roberta, make_unigram, make_wordpiece
from tests.models.export.towers import small_clip, small_custom

OPEN_CLIP = import_open_clip()


def tokenizer_in(folder: Path, **text: object) -> OpenClipTokenizer:
    """open_clip's tokenizer of a model whose files lie in *folder*."""
    text = {"hf_tokenizer_name": str(folder), "context_length": 8, **text}
    return load_tokenizer(OPEN_CLIP, Architecture("mine", text, quick_gelu=False, in_folder=False))


def spec_of(tokenizer: OpenClipTokenizer, model: nn.Module | None = None) -> TextSpec:
    """What the bundle would say."""
    return text_of(OPEN_CLIP, model or small_custom(), tokenizer)[0]


def test_clip_s_vocabulary_keeps_the_promise_of_its_tower() -> None:
    """CLIP's tokenizer pads with 0, ends with its marker, and is causal when the tower is."""
    tokenizer = OPEN_CLIP.get_tokenizer("ViT-B-32")

    expected = TextSpec(context_length=77, causal=True, clean="lower", pad_id=0, eot_id=49407)
    assert expected == spec_of(tokenizer, small_clip())
    assert not spec_of(tokenizer).causal


def test_cleaning_is_the_tokenizer_s() -> None:
    """CLIP's vocabulary with another cleaning keeps that cleaning."""
    assert "canonicalize" == spec_of(OPEN_CLIP.SimpleTokenizer(clean="canonicalize")).clean


def test_siglip_ends_and_pads_with_one_id(tmp_path: Path) -> None:
    """SigLIP's `</s>` ends a text, cut or not, and fills the rest."""
    make_unigram(tmp_path)

    spec = spec_of(tokenizer_in(tmp_path, tokenizer_kwargs={"clean": "canonicalize"}))

    assert TextSpec(context_length=8, causal=False, clean="canonicalize", pad_id=1, eot_id=1) == spec


def test_clipa_s_end_marker_is_taken_away(tmp_path: Path) -> None:
    """Where open_clip turns the end marker into 0, so does the bundle's tokenizer, in cut texts too."""
    make_wordpiece(tmp_path)

    assert 3 == spec_of(tokenizer_in(tmp_path)).eot_id
    assert 0 == spec_of(tokenizer_in(tmp_path, tokenizer_kwargs={"strip_sep_token": True})).eot_id


def test_a_tokenizer_without_an_end_just_cuts(tmp_path: Path) -> None:
    """Where nothing ends a text, a text that is too long loses its end and gets no marker."""
    make_unigram(tmp_path)
    document = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps({**document, "post_processor": None}))

    assert spec_of(tokenizer_in(tmp_path)).eot_id is None


def test_another_side_of_padding_is_refused(tmp_path: Path) -> None:
    """A tokenizer that the bundle's format cannot give the ids of is refused, with the first text that differs."""
    make_roberta(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "padding_side": "left"}))

    with pytest.raises(ExportError, match="this kind of tokenizer is not supported"):
        spec_of(tokenizer_in(tmp_path))


def test_padding_must_have_a_token(tmp_path: Path) -> None:
    """A tokenizer that names no padding token is refused with the file to name it in."""
    make_roberta(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))

    with pytest.raises(ExportError, match=r"pad_token in its tokenizer_config\.json"):
        spec_of(tokenizer_in(tmp_path))


def test_another_model_s_tokenizer_is_refused(tmp_path: Path) -> None:
    """A tokenizer with ids that the model has no vector for is told, before ONNX Runtime would stumble over them."""
    make_unigram(tmp_path)

    with pytest.raises(ExportError, match="another model's text files"):
        spec_of(tokenizer_in(tmp_path), small_custom(vocab_size=20))


def test_a_random_tokenizer_is_refused() -> None:
    """A tokenizer that drops words by chance, as some training does, has no ids to keep."""
    with pytest.raises(ExportError, match="not supported"):
        spec_of(OPEN_CLIP.SimpleTokenizer(reduction_mask="shuffle"))


def test_a_hub_that_does_not_answer_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a network the tokenizer's name and the way out are told, in one line and nothing beside."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(ExportError, match=r"nobody/has-this.*--text-files") as raised:
        tokenizer_in(Path("nobody/has-this"))

    assert 1 == len(str(raised.value).splitlines())
    assert ("", "") == capfd.readouterr()


def test_an_exception_says_something() -> None:
    """The first line of a message stands for the page after it; an empty one is named."""
    assert "no route" == first_line(OSError("\nno route\nhttps://nowhere"))
    assert "TimeoutError" == first_line(TimeoutError())
