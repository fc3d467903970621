"""Captions of a file."""

from pathlib import Path

import pytest

from models.negatives.corpus import read_captions
from models.negatives.errors import NegativesError


def test_lines_are_captions(tmp_path: Path) -> None:
    """Each line that is not blank is a caption."""
    (tmp_path / "captions.txt").write_text("a dog \n\n a cat\n")

    assert ["a dog", "a cat"] == read_captions(tmp_path / "captions.txt")


def test_json_lines_hold_one_or_several(tmp_path: Path) -> None:
    """`caption` and `captions` of JSON lines are read in order."""
    (tmp_path / "train.jsonl").write_text('{"captions": ["a dog", "dogs"]}\n{"caption": "a cat"}\n')

    assert ["a dog", "dogs", "a cat"] == read_captions(tmp_path / "train.jsonl")


@pytest.mark.parametrize("line", ["{", "{}", "[]", "3"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    """A line without captions is refused with its number."""
    (tmp_path / "train.jsonl").write_text('{"caption": "a dog"}\n' + line)

    with pytest.raises(NegativesError, match="line 2"):
        read_captions(tmp_path / "train.jsonl")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, or no file, are one sentence."""
    (tmp_path / "captions.txt").write_bytes(b"\xff\xfe")

    for name in ("captions.txt", "missing.txt"):
        with pytest.raises(NegativesError, match="cannot be read"):
            read_captions(tmp_path / name)
