"""A file as the body of an answer, whole or in part (RFC 9110, 14): read piece by piece, while the client takes it."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_PIECE_BYTES = 2**18
_RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)", re.IGNORECASE)


@dataclass(frozen=True)
class Span:
    """Bytes of a file, from the first to the one before the end."""

    start: int
    end: int


def size_of(file: BinaryIO) -> int:
    """Number of bytes of an open file."""
    return file.seek(0, io.SEEK_END)


def span_of(asked: str | None, size: int) -> Span | None:
    """What a Range header asks of a file of *size* bytes.

    Returns:
        The span; None for all of it: without a header, and for what is no single range of bytes, which may be ignored.

    Raises:
        ValueError: there is no such part.
    """
    match = _RANGE.fullmatch(asked.strip()) if asked else None
    if match is None or not (match["first"] or match["last"]):
        return None
    if not match["first"]:
        # so many from the end
        start, end = max(0, size - int(match["last"])), size
    else:
        start, end = int(match["first"]), min(size, int(match["last"] or size - 1) + 1)
        if match["last"] and int(match["last"]) < start:
            return None
    if start >= end:
        raise ValueError(f"there are {size} bytes")
    return Span(start, end)


def pieces(file: BinaryIO, span: Span) -> Iterator[bytes]:
    """The bytes of *span*, a piece at a time; the file is closed after the last, or when nobody wants more."""
    with file:
        file.seek(span.start)
        left = span.end - span.start
        while left and (data := file.read(min(_PIECE_BYTES, left))):
            left -= len(data)
            yield data
