"""The learnt vocabulary."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from models.manifest import TextSpec
from models.scenes.corpus import generate
from models.text import Tokenizer, clean
from models.training.tokenizer import END, START, train_tokenizer

CAPTIONS = [text for each in generate("train", 60, seed=1) for text in each.captions]
LIBRARY = train_tokenizer(CAPTIONS, 512)


def test_the_markers_are_the_last_ids() -> None:
    """The end marker has the greatest id, which is where the text tower pools; the start marker comes before it."""
    size = LIBRARY.get_vocab_size()

    assert (size - 2, size - 1) == (LIBRARY.token_to_id(START), LIBRARY.token_to_id(END))
    assert size <= 512


def test_every_text_stands_between_the_markers() -> None:
    """A text's ids begin with the start marker and end with the end marker, an empty text's too."""
    for text in (*CAPTIONS[:10], ""):
        ids = LIBRARY.encode(text).ids
        assert (LIBRARY.token_to_id(START), LIBRARY.token_to_id(END)) == (ids[0], ids[-1])
        assert max(ids[:-1]) < ids[-1]


def test_a_words_of_the_corpus_are_single_ids() -> None:
    """Common words of the captions have one id each, at the start of a text and within it."""
    for word in ("red", "circle", "background", "triangle"):
        assert 3 == len(LIBRARY.encode(word).ids)
        assert LIBRARY.encode(word).ids[1] == LIBRARY.encode(f"a {word}").ids[2]


def test_captions_are_clean_already() -> None:
    """What training tokenises is what serving tokenises: cleaning leaves the scenes' captions as they are."""
    assert CAPTIONS == [clean(text, "lower") for text in CAPTIONS]


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_text_has_ids_and_comes_back(text: str) -> None:
    """No text is unknown: its bytes are in the vocabulary, so decoding gives the text again."""
    if START in text or END in text:
        return

    assert text == LIBRARY.decode(LIBRARY.encode(text, add_special_tokens=False).ids).removeprefix(
        "" if text.startswith(" ") or not text else " "
    )


def test_learning_is_deterministic() -> None:
    """Equal captions give an equal tokenizer, byte for byte."""
    assert LIBRARY.to_str() == train_tokenizer(CAPTIONS, 512).to_str()


def test_the_runtime_reads_it(tmp_path: Path) -> None:
    """Through `models.text` a caption has the library's ids, padded, and a long text is cut with its end kept."""
    path = tmp_path / "tokenizer.json"
    LIBRARY.save(str(path))
    end = LIBRARY.token_to_id(END)
    runtime = Tokenizer.from_file(path, TextSpec(context_length=16, causal=True, eot_id=end))

    batch = runtime.encode(["A RED  circle", "red " * 40])

    expected = LIBRARY.encode("a red circle").ids
    assert expected == batch.ids[0, : batch.lengths[0]].tolist()
    assert [False, True] == batch.truncated.tolist()
    assert end == batch.ids[1, -1]


def test_no_caption_is_cut_at_the_shipped_context() -> None:
    """The longest caption of a scene fits the 64 tokens of the shipped recipe."""
    assert 64 >= max(len(LIBRARY.encode(text).ids) for text in CAPTIONS)


def test_a_vocabulary_too_small_for_bytes_is_refused() -> None:
    """Every byte keeps its entry however few ids are asked for."""
    small: Library = train_tokenizer(["red"], 259)

    assert "ünï✓" == small.decode(small.encode("ünï✓", add_special_tokens=False).ids).strip()
