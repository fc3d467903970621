"""CLIP's vocabulary as a tokenizer.json."""

import gzip
import json
import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ExportError
from models.manifest import TextSpec
from models.pretrained.tokenizers import clip_tokenizer_json
from models.text import CleanMode, Tokenizer
from tests.support.data import real_data
from tests.support.open_clip_reference import open_clip

PIECES = (
    "a b", "The", "dog's", "I'LL", "it'ſ", " ", "\t\n", "\u3000", "0", "1999", "...", "!?", "-_-", "&amp;", "&lt;b&gt;",
    "<i>", "&amp;quot;", "é", "e\u0301", "ß", "İ", "ΑΣ", "漢字", "ひらがな", "한국어", "عربي", "हिन्दी", "ไทย",
    "😀", "👩‍👩‍👧", "🇫🇷",
    "\u200d", "\ufeff", "\x00", "\x1f", "\x85", "ﬁ", "Ǆ", "½", "Ⅷ", "٣",
    "<end_of_text>", "<START_OF_TEXT>", "Ã©", "â€™",
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLIP's tokenizer.json, written once."""
    path = tmp_path_factory.mktemp("clip") / "tokenizer.json"
    path.write_text(clip_tokenizer_json(), encoding="utf-8")
    return path


class _Pair:
    """open_clip's tokenizer and ours."""

    def __init__(self, path: Path, mode: CleanMode = "lower") -> None:
        spec = TextSpec(context_length=77, causal=True, clean=mode, pad_id=0, eot_id=49407)
        self._reference = open_clip().tokenizer.SimpleTokenizer(clean=mode)
        self._ours = Tokenizer.from_file(path, spec)

    def ours(self, texts: Sequence[str]) -> list[list[int]]:
        """Our ids."""
        return self._ours.encode(texts).ids.tolist()

    def assert_equal(self, texts: Sequence[str]) -> None:
        """Both give the same ids; the first texts that differ are shown."""
        rows = zip(texts, self._reference(list(texts)).tolist(), self.ours(texts), strict=True)
        assert [] == [text for text, expected, found in rows if expected != found][:5]


@pytest.fixture(scope="module")
def pair(tokenizer_file: Path) -> _Pair:
    """Both tokenizers, lowering the case as CLIP does."""
    return _Pair(tokenizer_file)


def _generated(count: int) -> list[str]:
    """Strings made of awkward pieces, the same in every run."""
    pick = random.Random(0)
    return ["".join(pick.choice(PIECES) for _ in range(pick.randrange(25))) for _ in range(count)]


def test_captions_are_equal(pair: _Pair) -> None:
    """20,000 captions that people wrote get open_clip's ids."""
    pair.assert_equal(real_data("captions", "train.txt").read_text(encoding="utf-8").splitlines()[::8][:20_000])


@pytest.mark.parametrize("mode", ["lower", "whitespace", "canonicalize"])
def test_awkward_strings_are_equal(tokenizer_file: Path, mode: CleanMode) -> None:
    """Strings of emoji, many scripts, HTML, control characters and markers get open_clip's ids: 24,000 in all."""
    _Pair(tokenizer_file, mode).assert_equal(_generated(8_000))


def test_code_points_are_equal(pair: _Pair) -> None:
    """Characters of every category, beside letters, digits and apostrophes, fall into the same words.

    Every 37th of all code points; the exhaustive run (974,596 of them, 2026-11-21) found no difference.
    """
    every = (chr(code) for code in range(0, 0x110000, 37) if unicodedata.category(chr(code)) not in ("Cs", "Co"))

    pair.assert_equal([f"a{each}b '{each} {each}{each}9" for each in every])


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=8))
def test_any_text_is_equal(pair: _Pair, texts: list[str]) -> None:
    """Any Unicode text gets open_clip's ids."""
    pair.assert_equal(texts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        " ".join(f"word{number}" for number in range(500)),
        "w" * 5_000,
        "<end_of_text>",
        "!!<end_of_text>",
        "<start_of_text><end_of_text>a <END_OF_TEXT>b",
        "<end_of_text",
        "&lt;end_of_text&gt;",
    ],
)
def test_edges_are_equal(pair: _Pair, text: str) -> None:
    """Empty, far too long, and markers written in the text: the same ids, markers only where open_clip sees them."""
    pair.assert_equal([text])


def test_halfway_tokens_never_come_out(pair: _Pair) -> None:
    """No text gives an id beyond CLIP's 49,408, though the file names a few more to join the markers."""
    texts = ["<start_of_text>", "<start_of_tex", "<end_of", "<end", "start_of_text>", *_generated(500)]

    assert max(max(row) for row in pair.ours(texts)) == 49_407


def test_the_file_is_deterministic(tokenizer_file: Path) -> None:
    """The same merges give the same bytes, so that a bundle's digest does not depend on the day."""
    text = tokenizer_file.read_text(encoding="utf-8")

    assert text == clip_tokenizer_json()
    assert 49_408 <= len(json.loads(text)["model"]["vocab"]) < 49_440


def test_unreadable_merges_are_an_export_error(tmp_path: Path) -> None:
    """A missing or broken vocabulary file is one sentence, not a traceback of gzip."""
    broken = tmp_path / "merges.gz"
    broken.write_bytes(gzip.compress(b"#title\na b\n")[:-9])

    for path in (tmp_path / "absent.gz", broken):
        with pytest.raises(ExportError, match=path.name):
            clip_tokenizer_json(path)
