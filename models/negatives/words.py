"""Words of a text and the words of its tokens: what is labelled, detected and corrected are words, whatever the tokenizer."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

# inside a word: between letters ("t-shirt", "man's", both apostrophes and both hyphens), between digits ("1,000", "2.5")
_JOINS_LETTERS = frozenset("'’-‐‑")
_JOINS_DIGITS = frozenset(".,")

# words that are kept, with their places: at most 8 MB, because strangers' endless words are not
_KEPT, _LONGEST = 32_768, 40
_ASCII_WORD = re.compile(r"([A-Za-z0-9]+(?:(?=['.,-])(?:['-]|(?<=[0-9])[.,](?=[0-9]))[A-Za-z0-9]+)*)")


# a tuple: a training step makes thousands of them, and a dataclass takes three times as long
class Word(NamedTuple):
    """A word as it is written; `text[start:end]` of the text it stands in, in characters."""

    text: str
    start: int
    end: int


def split_words(text: str) -> tuple[Word, ...]:
    """The words in order; punctuation and symbols are none, each ideograph is a word, marks stay with their letter."""
    return words_at(split_pieces(text))


def words_at(pieces: Sequence[str]) -> tuple[Word, ...]:
    """The words of a text that `split_pieces` cut."""
    ends = list(accumulate(map(len, pieces)))
    return tuple(map(_KNOWN.__getitem__, zip(pieces[1::2], ends[::2], ends[1::2], strict=False)))


def split_pieces(text: str) -> list[str]:
    """The text cut at its W words into 2 W + 1 pieces: in turn what is no word, maybe "", and a word."""
    if text.isascii():
        # the same rules, several times as fast: a training step splits thousands of captions
        return _ASCII_WORD.split(text)
    pieces: list[str] = []
    done = 0
    for start, end in _spans(text):
        pieces += [text[done:start], text[start:end]]
        done = end
    return [*pieces, text[done:]]


class _Known(dict[tuple[str, int, int], Word]):
    """Words by what they are: captions have the same ones at the same places, and to make one takes longer than to find it."""

    def __missing__(self, key: tuple[str, int, int]) -> Word:
        word = Word(*key)
        if len(word.text) <= _LONGEST:
            if len(self) >= _KEPT:
                self.clear()
            self[key] = word
        return word


_KNOWN = _Known()


def lower_words(text: str) -> list[str]:
    """The words in lower case, without their places."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return [word.lower() for word in split_pieces(text)[1::2]]


def token_words(offsets: Sequence[tuple[int, int]], words: Sequence[Word]) -> list[int]:
    """For each token the index of the word that it shares most characters with, the first of equals; -1 for none.

    Args:
        offsets: (T) character spans in the text, as `tokenizers` gives them; they may begin with a space. Markers have
            an empty span, (0, 0), and so belong to no word.
        words: the text's words, in order.

    Returns:
        T indices.
    """
    starts, ends = [word.start for word in words], [word.end for word in words]
    found: list[int] = []
    for start, end in offsets:
        place = bisect_right(ends, start)
        if place < len(ends) and end > ends[place]:
            place = _largest_part(start, end, words, place)
        # what ends before the next word does can be of this word alone
        elif place == len(ends) or end <= starts[place] or start >= end:
            place = -1
        found.append(place)
    return found


def _largest_part(start: int, end: int, words: Sequence[Word], place: int) -> int:
    best, most = -1, 0
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
