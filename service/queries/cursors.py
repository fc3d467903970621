"""Where a page ended: pages of one question that neither repeat nor leave out a hit while others write.

Hits are in the order of (score falling, row id rising), and a cursor names the last hit that was shown by that key, not by how many
came before it: what is inserted or deleted above does not shift what follows. Two ways to go on from there:

**Frozen.** The first page's ranking is kept whole (`freeze`, some 16 bytes a hit, in the service's cache under the cursor's
question and state), and later pages are cut from it. Whatever is written meanwhile, and however the scores came about: no item
comes twice, none that was there from the first page to the last is left out, deleted ones are not shown, new ones come with the
next question. This is the way of BM25 and of fused rankings, whose scores depend on all the other rows.

**Moving.** Each page is cut from the ranking as it is now. That keeps the same laws for all items whose own score stays as it
was, if a score depends on question and row alone, to the last bit, as a cosine of one index does; new items come if their place is
still ahead. An item that was given another vector meanwhile is another result: it comes at its new place, be it for the second
time. Rankings whose scores depend on other rows must not move: when theirs is lost and the state has changed, the cursor has
expired (`Cursor.expect_state`).

A cursor is neither secret nor a right: whoever holds one must ask the same question again, with whatever that needs. It is
checksummed against mishaps, not signed; a made-up one gets a page of a question that its maker may ask anyway.
"""

import base64
import binascii
import hashlib
import json
import math
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from pydantic import JsonValue

from index.ranking import Ranking
from service.errors import QueryInvalid

_VERSION = 1
_DIGEST_BYTES = 16
_CHECKSUM_BYTES = 8
# version, question, score, row id, hits shown, seconds; the state follows
_FIELDS = struct.Struct(f"<B{_DIGEST_BYTES}sdqIQ")
_FROZEN = struct.Struct("<4sI")
_MAGIC = b"rnk1"
_MAX_STATE_BYTES = 200
_MAX_CHARACTERS = 4 * (_FIELDS.size + _MAX_STATE_BYTES + _CHECKSUM_BYTES) // 3 + 4
# for people who read: an hour between two pages
MAX_AGE_S = 3600.0

AGAIN = "ask without it to begin again"


class CursorInvalid(QueryInvalid):
    """No cursor of ours, or one of another question."""

    def __init__(self, detail: str) -> None:
        super().__init__("cursor", detail)


class CursorExpired(QueryInvalid):
    """A cursor that was good, and cannot be gone on from any more."""

    def __init__(self, detail: str) -> None:
        super().__init__("cursor", detail)


@dataclass(frozen=True)
class Position:
    """The key of a hit in the order of a ranking."""

    score: float
    row: int


@dataclass(frozen=True)
class Cursor:
    """Where a page ended.

    Attributes:
        question: `digest_of` everything that makes the ranking.
        state: of the collection when the first page was cut, as `Searcher.state` names it.
        after: the last hit that was shown.
        shown: hits on all pages so far.
        issued_at: UTC, seconds.
    """

    question: bytes
    state: str
    after: Position
    shown: int
    issued_at: int = field(default_factory=lambda: int(time.time()))

    def encode(self) -> str:
        """A string that stands in a URL as it is."""
        state = self.state.encode()
        assert len(self.question) == _DIGEST_BYTES, "a question is known by digest_of"
        assert len(state) <= _MAX_STATE_BYTES, "a state is a few short names"
        fields = (_VERSION, self.question, self.after.score, self.after.row, self.shown, self.issued_at)
        data = _FIELDS.pack(*fields) + state
        return base64.urlsafe_b64encode(data + _checksum(data)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, token: str) -> "Cursor":
        """What `encode` wrote.

        Raises:
            CursorInvalid: it is not that, to the last character.
            CursorExpired: another version of the service wrote it.
        """
        data = _unpacked(token)
        if data[:1] != bytes([_VERSION]):
            raise CursorExpired(f"this cursor is of another version of the service: {AGAIN}")
        try:
            _, question, score, row, shown, issued_at = _FIELDS.unpack_from(data)
            state = data[_FIELDS.size :].decode()
        except (struct.error, UnicodeDecodeError) as error:
            raise CursorInvalid(f"this is no cursor: {AGAIN}") from error
        if not math.isfinite(score):
            raise CursorInvalid(f"this is no cursor: {AGAIN}")
        return cls(question, state, Position(score, row), shown, issued_at)

    @classmethod
    def resume(cls, token: str, question: bytes, *, max_age_s: float = MAX_AGE_S) -> "Cursor":
        """The cursor of a request that asks *question* again.

        Raises:
            CursorInvalid: it is no cursor, or one of another question.
            CursorExpired: it is older than *max_age_s*.
        """
        cursor = cls.decode(token)
        if cursor.question != question:
            raise CursorInvalid(
                f"this cursor belongs to another question: send all that the first page was asked with, or {AGAIN}"
            )
        if time.time() - cursor.issued_at > max_age_s:
            raise CursorExpired(f"this cursor is older than {max_age_s:.0f} seconds: {AGAIN}")
        return cursor

    def expect_state(self, state: str) -> None:
        """Make sure that a ranking which was lost can be made again as it was; for those that must not move.

        Raises:
            CursorExpired: the collection has changed since the first page.
        """
        if self.state != state:
            raise CursorExpired(
                f"the collection has changed since this cursor's first page, and its ranking is gone: {AGAIN}"
            )


@dataclass(frozen=True)
class Page:
    """Hits of one page.

    Attributes:
        hits: in the ranking's order.
        last: the key to go on from; None when nothing follows.
    """

    hits: Ranking
    last: Position | None


def digest_of(question: JsonValue, vector: np.ndarray | None = None) -> bytes:
    """16 bytes that stand for a question: everything that decides the ranking, and nothing of pages.

    Args:
        question: the collection's name and generation, the model, target, text, filter, weights, depth…; keys in any order.
        vector: the query's.
    """
    text = json.dumps(question, sort_keys=True, separators=(",", ":"), allow_nan=False)
    data = text.encode() + b"\0" + (b"" if vector is None else np.asarray(vector, np.float32).tobytes())
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def page_after(
    ranked: Callable[[int], Ranking],
    limit: int,
    after: Position | None = None,
    *,
    shown: int = 0,
    there: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Page:
    """The hits that follow a position.

    Args:
        ranked: the first n of the ranking: `Ranking.top` of a frozen one, or a search to depth n; fewer = no more there are.
        limit: hits of a page, at least 1.
        after: where the last page ended; None = the first page.
        shown: hits on the pages before: how deep to look at first.
        there: (n,) bool, which of the row ids (n,) still exist; None = all. Of a frozen ranking the others are passed over.
    """
    depth = shown + limit + 1
    while True:
        ranking = ranked(depth)
        following = _following(ranking, after)
        if there is not None and len(following):
            exist = there(following.rows)
            following = Ranking(following.rows[exist], following.scores[exist])
        # one more than the page has tells whether there is another
        if len(following) > limit or len(ranking) < depth:
            break
        depth *= 2
    hits = following.top(limit)
    if len(following) <= limit:
        return Page(hits, None)
    return Page(hits, Position(float(hits.scores[-1]), int(hits.rows[-1])))


def freeze(ranking: Ranking) -> bytes:
    """A ranking as bytes, for a cache."""
    rows, scores = ranking.rows.astype("<i8"), ranking.scores.astype("<f8")
    data = _FROZEN.pack(_MAGIC, len(ranking)) + rows.tobytes() + scores.tobytes()
    return data + _checksum(data)


def thaw(data: bytes) -> Ranking | None:
    """What `freeze` wrote, with float64 scores; None for anything else, which is as good as lost."""
    body = data[:-_CHECKSUM_BYTES]
    if len(body) < _FROZEN.size or _checksum(body) != data[-_CHECKSUM_BYTES:]:
        return None
    magic, count = _FROZEN.unpack_from(body)
    if magic != _MAGIC or len(body) != _FROZEN.size + 16 * count:
        return None
    rows = np.frombuffer(body, "<i8", count, _FROZEN.size)
    return Ranking(rows, np.frombuffer(body, "<f8", count, _FROZEN.size + 8 * count))


def _following(ranking: Ranking, after: Position | None) -> Ranking:
    if after is None:
        return ranking
    first = np.searchsorted(-ranking.scores.astype(np.float64), -after.score, side="left")
    end = np.searchsorted(-ranking.scores.astype(np.float64), -after.score, side="right")
    # rows of that very score are sorted
    first += np.searchsorted(ranking.rows[first:end], after.row, side="right")
    return Ranking(ranking.rows[first:], ranking.scores[first:])


def _unpacked(token: str) -> bytes:
    """The bytes of a token without their checksum."""
    broken = CursorInvalid(f"this is no cursor, or not all of it: {AGAIN}")
    if len(token) > _MAX_CHARACTERS:
        raise broken
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise broken from error
    # the last character of base64 has bits that say nothing, and its decoder takes "+" for "-"
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != token or len(data) <= _CHECKSUM_BYTES:
        raise broken
    body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if _checksum(body) != checksum:
        raise broken
    return body


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECKSUM_BYTES).digest()
