"""Cleaning, tokenising, cutting."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as RawTokenizer
from tokenizers.models import Unigram, WordPiece
from tokenizers.trainers import UnigramTrainer, WordPieceTrainer

from models.errors import BundleInvalid, TextInvalid
from models.manifest import TextSpec
from models.text import CleanMode, Tokenizer, clean
from tests.support.open_clip_reference import open_clip
from tests.support.tiny_bundle import CONTEXT

# what people type, and anything
TEXT = st.text(st.characters(max_codepoint=127), max_size=80) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=80
)
MODES: tuple[CleanMode, ...] = ("lower", "whitespace", "canonicalize")
CORPUS = [
    "a red square left of a blue circle", "two dogs run on the beach", "the cat, asleep; an orange one",
    "photo of 3 boats", "Ein gelber Kreis auf grünem Grund", "猫と犬",
    "striped yellow triangle above dotted purple star",
]  # fmt: skip
LONG = " ".join(CORPUS * 9)


@pytest.fixture
def tiny(tiny_bundle: Path) -> Tokenizer:
    """The tiny bundle's tokenizer: [START] = 2, [END] = 3, padding 0, at most 32 ids."""
    return _tokenizer(tiny_bundle / "tokenizer.json")


def _tokenizer(path: Path, **changes: object) -> Tokenizer:
    fields = {"context_length": CONTEXT, "causal": True, "pad_id": 0, "eot_id": 3, **changes}
    return Tokenizer.from_file(path, TextSpec.model_validate(fields))


@pytest.mark.parametrize("mode", MODES)
@given(text=TEXT)
@settings(max_examples=100, deadline=None)
def test_cleaning_is_open_clips(mode: CleanMode, text: str) -> None:
    """Each cleaning mode gives the string that open_clip's function of the same name gives."""
    assert open_clip().tokenizer.get_clean_fn(mode)(text) == clean(text, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "text",
    [
        "&amp;lt;b&amp;gt;",
        "âœ” No problems",
        "  a \n\tb\x0bc ",
        "A_B, c!",
        "&#xD800;",
        "ﬁne “quotes”",
        "\x1b[31mred",
        "",
    ],
)
def test_known_cleanings_are_open_clips(mode: CleanMode, text: str) -> None:
    """Double escapes, broken encodings, control and compatibility characters are mended as open_clip does."""
    assert open_clip().tokenizer.get_clean_fn(mode)(text) == clean(text, mode)


@given(text=TEXT, mode=st.sampled_from(MODES))
def test_cleaned_text_has_single_spaces(text: str, mode: CleanMode) -> None:
    """After cleaning, words are parted by one space and none stands at the ends."""
    words = clean(text, mode)

    assert " ".join(words.split()) == words


@given(text=TEXT)
def test_none_leaves_the_text(text: str) -> None:
    """Mode "none" changes nothing: the tokenizer's own file does all."""
    assert text == clean(text, "none")


@given(before=TEXT, code=st.integers(0xD800, 0xDFFF), after=TEXT, mode=st.sampled_from([*MODES, "none"]))
def test_lone_surrogates_are_refused(before: str, code: int, after: str, mode: CleanMode) -> None:
    """A lone surrogate is the caller's error in every mode, and the message says where it stands."""
    with pytest.raises(TextInvalid, match=rf"character {len(before)} .*U\+{code:04X}"):
        clean(f"{before}{chr(code)}{after}", mode)


def test_batch_shapes(tiny: Tokenizer) -> None:
    """N texts give (N, context) ids padded behind, (N,) lengths with both markers, (N,) flags."""
    batch = tiny.encode(["red dog", "", "a cat"])

    assert (3, CONTEXT) == batch.ids.shape
    assert [4, 2, 4] == batch.lengths.tolist()
    assert [False] * 3 == batch.truncated.tolist()
    assert np.int64 == batch.ids.dtype == batch.lengths.dtype
    assert [2, 3] == batch.ids[1, :2].tolist()
    assert 0 == batch.ids[1, 2:].max()


def test_no_texts(tiny: Tokenizer) -> None:
    """An empty batch keeps its shape."""
    batch = tiny.encode([])

    assert ((0, CONTEXT), (0,), (0,)) == (batch.ids.shape, batch.lengths.shape, batch.truncated.shape)


@pytest.mark.parametrize("words", [CONTEXT - 3, CONTEXT - 2, CONTEXT - 1, CONTEXT, 10_000])
def test_cutting_is_reported_and_keeps_the_end_marker(tiny: Tokenizer, words: int) -> None:
    """A text is marked truncated exactly when its ids exceed the context; the marker stays last either way."""
    batch = tiny.encode(["dog " * words])
    length = int(batch.lengths[0])

    assert min(words + 2, CONTEXT) == length
    assert (words + 2 > CONTEXT) == batch.truncated[0]
    assert 3 == batch.ids[0, length - 1]
    assert 3 not in batch.ids[0, : length - 1]


def test_without_end_marker_nothing_is_put_last(tiny_bundle: Path) -> None:
    """Where the manifest names no end marker, a cut text simply ends."""
    batch = _tokenizer(tiny_bundle / "tokenizer.json", eot_id=None).encode(["dog " * 99])

    assert batch.ids[0, -1] == batch.ids[0, -2]


@given(texts=st.lists(TEXT, max_size=6))
@settings(max_examples=50, deadline=None)
def test_a_batch_is_its_texts(tiny_bundle: Path, texts: list[str]) -> None:
    """A text's ids do not depend on what else is in the batch."""
    tokenizer = _tokenizer(tiny_bundle / "tokenizer.json")
    together = tokenizer.encode(texts)

    for row, text in enumerate(texts):
        alone = tokenizer.encode([text])
        assert alone.ids[0].tolist() == together.ids[row].tolist()
        assert (alone.lengths[0], alone.truncated[0]) == (together.lengths[row], together.truncated[row])


def test_threads_share_a_tokenizer(tiny: Tokenizer) -> None:
    """Many threads with one tokenizer get what one thread gets."""
    batches = [[f"{text} {number}" for text in CORPUS] for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        found = [batch.ids.tolist() for batch in pool.map(tiny.encode, batches)]

    assert [tiny.encode(batch).ids.tolist() for batch in batches] == found


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1.0"', "not json"])
def test_a_broken_file_is_a_bundle_error(tmp_path: Path, content: str) -> None:
    """A tokenizer.json that is none is reported with its path."""
    path = tmp_path / "tokenizer.json"
    path.write_text(content)

    with pytest.raises(BundleInvalid, match=r"tokenizer\.json"):
        _tokenizer(path)


def _like_t5(corpus: Sequence[str]) -> RawTokenizer:
    """A SentencePiece-like tokenizer as SigLIP's: unigrams, `▁` for spaces, `</s>` (id 1) behind and as padding."""
    raw = RawTokenizer(Unigram())
    raw.normalizer = normalizers.NFKC()
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<pad>", "</s>", "<unk>"]
    raw.train_from_iterator(corpus, UnigramTrainer(vocab_size=120, special_tokens=specials, unk_token="<unk>"))
    raw.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return raw


def _like_bert(corpus: Sequence[str]) -> RawTokenizer:
    """A WordPiece tokenizer with [CLS] and [SEP], which truncates and pads by its own file as published ones do."""
    raw = RawTokenizer(WordPiece(unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer()
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    raw.train_from_iterator(corpus, WordPieceTrainer(vocab_size=150, special_tokens=specials))
    raw.add_special_tokens([AddedToken("[SEP]", special=True)])
    marks = [("[CLS]", 2), ("[SEP]", 3)]
    raw.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    raw.enable_truncation(8)
    raw.enable_padding(length=8)
    return raw


@pytest.mark.parametrize(
    ("make", "mode", "end", "pad"), [(_like_t5, "canonicalize", "</s>", 1), (_like_bert, "whitespace", "[SEP]", 0)]
)
def test_hugging_face_tokenizers_pass_through(tmp_path: Path, make: type, mode: CleanMode, end: str, pad: int) -> None:
    """Any tokenizer.json gives the ids that transformers gives with padding and truncation to the context."""
    from transformers import PreTrainedTokenizerFast

    raw = make(CORPUS)
    raw.save(str(tmp_path / "tokenizer.json"))
    reference = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token=raw.id_to_token(pad), eos_token=end)
    texts = [*CORPUS, "", LONG, "Unseen Words & <html>", "😀"]
    eot = raw.token_to_id(end)

    ours = _tokenizer(tmp_path / "tokenizer.json", context_length=24, clean=mode, pad_id=pad, eot_id=eot).encode(texts)

    cleaned = [clean(text, mode) for text in texts]
    whole = reference(cleaned, truncation=False, padding=False).input_ids
    assert reference(cleaned, max_length=24, padding="max_length", truncation=True).input_ids == ours.ids.tolist()
    assert [len(row) > 24 for row in whole] == ours.truncated.tolist()
    assert [min(len(row), 24) for row in whole] == ours.lengths.tolist()


@given(text=TEXT)
@settings(max_examples=60, deadline=None)
def test_a_reading_knows_its_places(text: str, tiny_bundle: Path) -> None:
    """Ids are those of `encode`, one place for each real id; a place lies in the cleaned text, a marker's is empty."""
    tokenizer = _tokenizer(tiny_bundle / "tokenizer.json")
    batch = tokenizer.encode([text])

    reading = tokenizer.read(text)

    assert np.array_equal(batch.ids, reading.ids)
    assert clean(text, "lower") == reading.text
    assert int(batch.lengths[0]) == len(reading.offsets)
    assert all(0 <= start <= end <= len(reading.text) for start, end in reading.offsets)
    assert {(0, 0)} == {reading.offsets[0], reading.offsets[-1]}
    assert bool(batch.truncated[0]) >= (reading.cut is not None)


@pytest.mark.parametrize(("changes", "kept"), [({"context_length": 5}, 3), ({"context_length": 5, "eot_id": None}, 4)])
def test_a_cut_reading_tells_where(tiny_bundle: Path, changes: dict[str, object], kept: int) -> None:
    """Of a text that is too long, the first character that was lost is told; the end marker's place is empty."""
    text = "red dog on the left of a cat"
    reading = _tokenizer(tiny_bundle / "tokenizer.json", **changes).read(text)

    words = text.split()
    assert text.index(f" {words[kept]}") + 1 == reading.cut
    assert 5 == len(reading.offsets) == reading.ids.shape[1]
    found = [text[start:end] for start, end in reading.offsets]
    assert ["", *words[:kept], *([""] if kept == 3 else [])] == found


def test_a_reading_that_loses_only_its_end_marker_is_whole(tiny_bundle: Path) -> None:
    """Where there is no marker to keep and nothing but one is lost, no character was cut."""
    reading = _tokenizer(tiny_bundle / "tokenizer.json", context_length=4, eot_id=None).read("red dog left")

    assert reading.cut is None
    assert [(0, 0), (0, 3), (4, 7), (8, 12)] == list(reading.offsets)
