"""A long text in pieces that a model can read: whole sentences, and of a sentence that is too long clauses, then words.

Pure: what fits is for the caller to say. Pieces joined are the text, to the last blank.
"""

import re
from collections.abc import Callable, Iterator, Sequence

# Pieces of one text that are read. Each costs what a text costs, and one request shall not cost what thousands do.
MAX_PIECES = 64
# a text's begin and end among its tokens
_MARKERS = 2

# which of these texts fit into what the model reads at once
Fits = Callable[[Sequence[str]], Sequence[bool]]

# After what ends a sentence, with the quotes and brackets that close with it, where a blank follows and then no small letter
# ("e.g. this"); after the full stops of scripts that put no blank there; and at the end of a line.
_SENTENCE = re.compile(r"""(?<=[.!?…])["'”’»)\]]*\s+(?![a-zà-öø-ÿ])|(?<=[。！？])["”’」』）]*\s*|\n\s*""")
# no sentence ends behind them, nor behind a single capital: "Dr. Smith", "J. Smith"
_SHORT = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|Nr|No|vs|etc|e\.g|i\.e|[A-Z])\.)\s*$")
_CLAUSE = re.compile(r"(?<=[,;:])\s+|(?<=[、，；：])\s*|\s+(?=[–—]\s)")
_WORD = re.compile(r"\s+")
_LETTER = re.compile(r"(?<=.)(?=.)", re.DOTALL)
_SMALLER = (_CLAUSE, _WORD, _LETTER)


def split(text: str, fits: Fits) -> Iterator[str]:
    """The pieces of *text* in their order, made as they are asked for.

    A sentence that fits is a piece; neither two share one nor is one cut. Of one that does not fit, as many clauses as fit make
    a piece; of a clause that does not, words; of a word, characters. A character that does not fit is left as it is.

    Args:
        text: any.
        fits: says of each of several texts whether it fits.
    """
    sentences = sentences_of(text)
    for sentence, whole in zip(sentences, fits(sentences), strict=True):
        if whole:
            yield sentence
        else:
            yield from _parted(sentence, 0, fits)


def weight_of(tokens: int) -> int:
    """How much a piece of so many tokens counts in the mean of all: who writes more of something says more.

    Where every sentence counted alike, a few words would weigh as much as a whole description: benchmarks/long_texts.py.
    """
    return max(1, tokens - _MARKERS)


def sentences_of(text: str) -> list[str]:
    """The sentences of *text*, each with the blanks behind it; what holds no word goes with the one before."""
    found: list[str] = []
    open_ended = True
    for piece in _cut(text, _SENTENCE):
        # what came first may be blank itself
        if found and (open_ended or not _has_word(piece)):
            found[-1] += piece
        else:
            found.append(piece)
        open_ended = not _has_word(found[-1]) or _SHORT.search(found[-1]) is not None
    return found


def _parted(piece: str, level: int, fits: Fits) -> Iterator[str]:
    """Pieces of what does not fit."""
    if level == len(_SMALLER):
        yield piece
        return
    units, at = _cut(piece, _SMALLER[level]), 0
    while at < len(units):
        count = _most(units[at:], fits)
        if count:
            yield "".join(units[at : at + count])
        else:
            yield from _parted(units[at], level + 1, fits)
        at += max(1, count)


def _most(units: Sequence[str], fits: Fits) -> int:
    """How many of the first units fit together: twice as many each time, then halved between."""

    def holds(count: int) -> bool:
        return fits(["".join(units[:count])])[0]

    low, high = 0, 1
    while high <= len(units) and holds(high):
        low, high = high, 2 * high
    high = min(high, len(units) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _cut(text: str, border: re.Pattern[str]) -> list[str]:
    """*text* cut behind each border."""
    ends = [found.end() for found in border.finditer(text) if 0 < found.end() < len(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)] if text else []


def _has_word(text: str) -> bool:
    return any(sign.isalnum() for sign in text)
