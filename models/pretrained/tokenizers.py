"""CLIP's byte-pair vocabulary as a `tokenizer.json`, id for id equal to open_clip's `SimpleTokenizer`.

What had to be carried over besides the merges:

- The marker `<end_of_text>` written in a text is one id in open_clip, but only where its word pattern begins to match
  there (`!!<end_of_text>` is punctuation and words). A special token of `tokenizers` would be found anywhere; so the
  markers are ordinary words here, and merges of the lowest rank put their pieces together.
- open_clip's pattern ignores case: in 's, 't, 're, …, where `ſ` (long s) is a case of s, and in its classes.
- What counts as a letter depends on the Unicode version of the `regex` package, which is newer than that inside
  `tokenizers`; so the classes are written out as ranges of code points.
"""

import functools
import gzip
import importlib.util
import itertools
import json
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import regex

from models.errors import ExportError

MARKERS: tuple[str, str] = ("<start_of_text>", "<end_of_text>")
_WORD_END = "</w>"
_MERGES = 49152 - 256 - 2

# Words as open_clip's pattern finds them, its three character classes left open. Cases are spelt out, because two
# regular-expression engines need not agree on what ignoring case means.
_PATTERN = (
    "<[sSſ][tT][aA][rR][tT]_[oO][fF]_[tT][eE][xX][tT]>|<[eE][nN][dD]_[oO][fF]_[tT][eE][xX][tT]>"
    "|'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[{letters}]+|[{numbers}]|[{others}]+"
)
_CLASSES = {"letters": r"[\p{L}]", "numbers": r"[\p{N}]", "others": r"[^\s\p{L}\p{N}]"}


def clip_tokenizer_json(merges_file: Path | None = None) -> str:
    """The text of a `tokenizer.json` for every model that uses CLIP's English vocabulary.

    Args:
        merges_file: `bpe_simple_vocab_16e6.txt.gz`; None takes the one in the installed open_clip.

    Raises:
        ExportError: the file is not there.
    """
    merges = _read_merges(merges_file or _installed_merges())
    letters = _byte_letters()
    tokens = [*letters, *(letter + _WORD_END for letter in letters), *(first + second for first, second in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    markers = {marker: len(vocabulary) + number for number, marker in enumerate(MARKERS)}
    vocabulary.update({marker + _WORD_END: number for marker, number in markers.items()})
    for marker in MARKERS:
        merges += _marker_merges(_merged(marker, ranks), vocabulary)
    return json.dumps(_document(vocabulary, merges, markers), ensure_ascii=False)


def _installed_merges() -> Path:
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ExportError(
            "CLIP's vocabulary comes with open_clip, which is not installed: pip install 'vilem-search[train]'"
        )
    return Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz"


def _read_merges(path: Path) -> list[tuple[str, str]]:
    try:
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    except (OSError, EOFError, zlib.error) as error:
        raise ExportError(f"CLIP's vocabulary {path} cannot be read ({error}): install open_clip again") from error
    # the first line is a title, and CLIP uses only the first part of the rest
    pairs = (line.split() for line in lines[1 : _MERGES + 1])
    return [(first, second) for first, second in pairs]


def _byte_letters() -> list[str]:
    """The 256 printable letters that stand for bytes, in CLIP's order: those that print as themselves come first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(code) for code in printable] + [chr(256 + number) for number in range(others)]


def _merged(word: str, ranks: dict[tuple[str, str], int]) -> list[str]:
    """The pieces that the ordinary merges leave of *word*."""
    pieces = [*word[:-1], word[-1] + _WORD_END]
    while True:
        pairs = [pair for pair in itertools.pairwise(pieces) if pair in ranks]
        if not pairs:
            return pieces
        best = min(pairs, key=ranks.__getitem__)
        at = next(place for place in range(len(pieces) - 1) if (pieces[place], pieces[place + 1]) == best)
        pieces[at : at + 2] = ["".join(best)]


def _marker_merges(pieces: Sequence[str], vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Merges that join *pieces* from the left; their halfway tokens get ids past the vocabulary and never come out.

    They cannot come out, because no other word of the pattern holds both `<` and a letter.
    """
    merges: list[tuple[str, str]] = []
    joined = pieces[0]
    for piece in pieces[1:]:
        merges.append((joined, piece))
        joined += piece
        vocabulary.setdefault(joined, len(vocabulary))
    return merges


@functools.cache
def _ranges(pattern: str) -> str:
    """The code points that *pattern* matches in open_clip's engine, as the inside of a character class."""
    matches = regex.compile(pattern, regex.IGNORECASE).match
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        # surrogates are no characters of a text
        if 0xD800 <= code < 0xE000 or not matches(chr(code)):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges)


def _document(vocabulary: dict[str, int], merges: list[tuple[str, str]], markers: dict[str, int]) -> dict[str, object]:
    start, end = ({"SpecialToken": {"id": marker, "type_id": 0}} for marker in MARKERS)
    text = {"Sequence": {"id": "A", "type_id": 0}}
    special = {
        marker: {"id": marker, "ids": [number], "tokens": [marker + _WORD_END]} for marker, number in markers.items()
    }
    pattern = _PATTERN.format(**{name: _ranges(each) for name, each in _CLASSES.items()})
    words = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True}
    as_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [words, as_bytes]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, text, end],
            "pair": [start, text, end, {"Sequence": {"id": "B", "type_id": 0}}, end],
            "special_tokens": special,
        },
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": _WORD_END,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }
