"""Words of a text and the words of its tokens: what is labelled, detected and corrected are words, whatever the tokenizer."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

# inside a word: between letters ("t-shirt", "man's", both apostrophes and both hyphens), between digits ("1,000", "2.5")
_JOINS_LETTERS = frozenset("'’-‐‑")
_JOINS_DIGITS = frozenset(".,")

_ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:(?:['-]|(?<=[0-9])[.,](?=[0-9]))[A-Za-z0-9]+)*")


@dataclass(frozen=True)
class Word:
    """A word as it is written; `text[start:end]` of the text it stands in, in characters."""

    text: str
    start: int
    end: int


def split_words(text: str) -> tuple[Word, ...]:
    """The words in order; punctuation and symbols are none, each ideograph is a word, marks stay with their letter."""
    if text.isascii():
        # the same rules, several times as fast: a training step splits thousands of captions
        return tuple(Word(found.group(), found.start(), found.end()) for found in _ASCII_WORD.finditer(text))
    return tuple(Word(text[start:end], start, end) for start, end in _spans(text))


def token_words(offsets: Sequence[tuple[int, int]], words: Sequence[Word]) -> list[int]:
    """For each token the index of the word that it shares most characters with, the first of equals; -1 for none.

    Args:
        offsets: (T) character spans in the text, as `tokenizers` gives them; they may begin with a space. Markers have
            an empty span, (0, 0), and so belong to no word.
        words: the text's words, in order.

    Returns:
        T indices.
    """
    ends = [word.end for word in words]
    return [_word_at(start, end, words, ends) for start, end in offsets]


def _word_at(start: int, end: int, words: Sequence[Word], ends: list[int]) -> int:
    place, best, most = bisect_right(ends, start), -1, 0
    while place < len(words) and words[place].start < end:
        shared = min(end, words[place].end) - max(start, words[place].start)
        if shared > most:
            best, most = place, shared
        place += 1
    return best


def _spans(text: str) -> Iterator[tuple[int, int]]:
    kinds = [_kind(character) for character in text]
    place = 0
    while place < len(text):
        if kinds[place] in " M":
            place += 1
            continue
        end = _end(text, kinds, place)
        yield place, end
        place = end


def _end(text: str, kinds: list[str], start: int) -> int:
    end = start + 1
    while end < len(text):
        if kinds[end] == "M":
            end += 1
        elif "I" in (kinds[end], kinds[start]):
            break
        elif kinds[end] != " ":
            end += 1
        elif _joins(text, kinds, end):
            end += 2
        else:
            break
    return end


def _joins(text: str, kinds: list[str], place: int) -> bool:
    """Whether the sign at *place* holds what stands on both sides of it together."""
    if place + 1 == len(text):
        return False
    sides = {kinds[place - 1], kinds[place + 1]}
    if text[place] in _JOINS_LETTERS:
        return sides <= set("LNM") and kinds[place + 1] != "M"
    return text[place] in _JOINS_DIGITS and sides == {"N"}


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """L letter, N number, M mark, I ideograph (a word by itself, as Unicode's UAX 29 has it), space for all else."""
    found = unicodedata.category(character)[0]
    if found == "L" and unicodedata.name(character, "").startswith(("CJK ", "HIRAGANA ")):
        return "I"
    return found if found in "LNM" else " "
