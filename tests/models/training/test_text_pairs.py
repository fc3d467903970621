"""What a text tower is taught on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.distill_texts import DistillationError
from models.training.text_pairs import TextPairs, hold_out, read_translations, text_pairs

WORDS = st.sampled_from(["red", "green", "blue", "rot", "gruen", "blau", "circle"])


def _rows(pairs: TextPairs) -> list[tuple[str, str]]:
    return list(zip(pairs.captions, pairs.read, strict=True))


def test_captions_are_read_as_they_are_and_translations_as_translations() -> None:
    """The teacher gets captions as they are written, the student what its bundle will make of a query; pairs come once."""
    pairs = text_pairs(["A Dog", "a  cat", "A Dog"], [("A Dog", "Ein Hund"), ("A Dog", "ein hund")], "lower")

    assert [("A Dog", "a dog"), ("a  cat", "a cat"), ("A Dog", "ein hund")] == _rows(pairs)


@given(
    pairs=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=12, unique=True),
    count=st.integers(1, 12),
    seed=st.integers(0, 9),
)
def test_nothing_that_is_measured_on_is_learnt(pairs: list[tuple[str, str]], count: int, seed: int) -> None:
    """So many pairs are held out; no other that shares a text with one of them is learnt, and all that share none are."""
    whole = TextPairs(*(list(side) for side in zip(*pairs, strict=True)))
    try:
        learnt, held = hold_out(whole, count, seed)
    except DistillationError as error:
        assert "none is left to learn from" in str(error)
        return

    assert count == len(held)
    strangers = [pair for pair in pairs if pair[0] not in held.captions and pair[1] not in held.read]
    assert strangers == _rows(learnt)
    assert {*_rows(held)} <= {*pairs}
    assert _rows(held) == _rows(hold_out(whole, count, seed)[1])


def test_translations_are_read_line_by_line(tmp_path: Path) -> None:
    """A caption, a tab, its translation; blank lines are nothing."""
    path = tmp_path / "pairs.tsv"
    path.write_text("a dog\tein Hund\n\n a cat \t eine Katze\n", encoding="utf-8")

    assert [("a dog", "ein Hund"), ("a cat", "eine Katze")] == read_translations(path)


@pytest.mark.parametrize("line", ["a dog", "a dog\t", "\tein Hund", "a\tb\tc"])
def test_a_line_without_two_texts_is_named(tmp_path: Path, line: str) -> None:
    """Its number and the file are told."""
    path = tmp_path / "pairs.tsv"
    path.write_text(f"a dog\tein Hund\n{line}\n")

    with pytest.raises(DistillationError, match=r"pairs\.tsv, line 2 has not a caption and its translation"):
        read_translations(path)


@pytest.mark.parametrize("data", [None, b"\xff\xfe\x00"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, data: bytes | None) -> None:
    """A missing file, or one in another encoding, is an error of ours."""
    path = tmp_path / "pairs.tsv"
    if data is not None:
        path.write_bytes(data)

    with pytest.raises(DistillationError, match=r"pairs\.tsv cannot be read as UTF-8"):
        read_translations(path)
