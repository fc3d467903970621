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

# After what ends a sentence, with the quotes and brackets that close with it, where a blank follows; after the full stops of
# scripts that put no blank there; and at the end of a line. Who searches writes small letters: they say nothing of ends.
_SENTENCE = re.compile(r"""(?<=[.!?…])["'”’»)\]]*\s+|(?<=[。！？])["”’」』）]*\s*|\n\s*""")
# no sentence ends behind them, nor behind a single capital: "Dr. Smith", "J. Smith", "e.g. this"
_SHORT = re.compile(r"\b(?:[Dd]r|[Mm]rs?|[Mm]s|[Pp]rof|[Ss]t|[Nn]r|vs|cf|ca|approx|[Ff]ig|e\.g|i\.e|[A-Z])\.$")
_LONGEST_SHORT = len("approx.") + 1
# blanks before a dash from the first of them on: else each of many would be gone on from to the last
_CLAUSE = re.compile(r"(?<=[,;:])\s+|(?<=[、，；：])\s*|(?<!\s)\s+(?=[–—]\s)")
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
    for at in range(0, len(sentences), MAX_PIECES):
        some = sentences[at : at + MAX_PIECES]
        for sentence, whole in zip(some, fits(some), strict=True):
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
    found: list[list[str]] = []
    # whether the last one goes on in what follows
    goes_on = True
    for piece in _cut(text, _SENTENCE):
        says = _has_word(piece)
        # what came first may be blank itself
        if found and (goes_on or not says):
            found[-1].append(piece)
        else:
            found.append([piece])
        # looked at piece by piece: a text of nothing but full stops is none the longer to read
        goes_on = (goes_on and not says) or (says and _SHORT.search(piece.rstrip()[-_LONGEST_SHORT:]) is not None)
    return ["".join(pieces) for pieces in found]


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
