"""Laws of cursors, and of paging while others write."""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.fusion import reciprocal_rank_fusion
from index.ranking import Ranking, best_of
from service.errors import QueryInvalid
from service.problems import problem_of
from service.queries.cursors import (
    Cursor,
    CursorExpired,
    CursorInvalid,
    Page,
    Position,
    digest_of,
    freeze,
    page_after,
    thaw,
)

few = settings(max_examples=60, deadline=None)
QUESTION = digest_of({"collection": "scenes", "text": "red"})
SCORES = st.floats(-1, 40, width=32)


@st.composite
def cursors(draw: st.DrawFn) -> Cursor:
    """Any."""
    return Cursor(
        draw(st.binary(min_size=16, max_size=16)),
        draw(st.text(max_size=40)),
        Position(draw(st.floats(allow_nan=False, allow_infinity=False)), draw(st.integers(-(2**63), 2**63 - 1))),
        draw(st.integers(0, 2**32 - 1)),
        draw(st.integers(0, 2**40)),
    )


def a_cursor(**changes: object) -> Cursor:
    """One like those of the service."""
    return replace(Cursor(QUESTION, "v3-1f0c2d3e:17:21", Position(0.25, 7), 10), **changes)  # pyright: ignore[reportArgumentType]


@few
@given(cursors())
def test_a_cursor_comes_back_as_it_went(cursor: Cursor) -> None:
    """Every bit of score and row too; its characters stand in a URL as they are."""
    token = cursor.encode()

    assert cursor == Cursor.decode(token)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert token.isascii()


@few
@given(cursors(), st.data())
def test_a_cursor_with_a_fault_is_refused(cursor: Cursor, data: st.DataObject) -> None:
    """One character other, missing or too many: refused, never read as another cursor."""
    token = cursor.encode()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("Aaz09-_+/= é\n").filter(lambda each: each != token[at]))

    for wrong in (token[:at] + other + token[at + 1 :], token[:at] + token[at + 1 :], token[:at] + other + token[at:]):
        with pytest.raises((CursorInvalid, CursorExpired)):
            Cursor.decode(wrong)


@pytest.mark.parametrize(
    "token", ["", "A", "AA", "AAAA", "=" * 8, "é", "\x00", "A" * 100, "A" * 10_000_000, "null", "10"]
)
def test_what_is_no_cursor_is_refused(token: str) -> None:
    """Whatever a client sends, the answer names the field and says what to do."""
    with pytest.raises(CursorInvalid, match="ask without it to begin again") as raised:
        Cursor.decode(token)

    assert "cursor" == raised.value.field


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_cursor_without_a_place_is_refused(score: float) -> None:
    """A well-made token whose score is no number names no place."""
    with pytest.raises(CursorInvalid, match="no cursor"):
        Cursor.decode(a_cursor(after=Position(score, 1)).encode())


def test_a_well_made_token_of_something_else_is_refused() -> None:
    """Too short for a cursor, or with a state that is no text, in spite of a right checksum."""
    good = base64.urlsafe_b64decode(a_cursor().encode() + "===")[:-8]
    for body in (good[:20], good[:-3] + b"\xff\xff\xff"):
        token = base64.urlsafe_b64encode(body + hashlib.blake2b(body, digest_size=8).digest()).rstrip(b"=").decode()
        with pytest.raises(CursorInvalid):
            Cursor.decode(token)


def test_a_cursor_of_another_version_has_expired() -> None:
    """A newer or older service's cursor is not misread."""
    body = bytes([9]) + base64.urlsafe_b64decode(a_cursor().encode() + "===")[1:-8]
    token = base64.urlsafe_b64encode(body + hashlib.blake2b(body, digest_size=8).digest()).rstrip(b"=").decode()

    with pytest.raises(CursorExpired, match="another version"):
        Cursor.decode(token)


def test_another_question_is_refused() -> None:
    """A cursor goes on with its own question alone, and for its time."""
    token = a_cursor().encode()

    assert Position(0.25, 7) == Cursor.resume(token, QUESTION).after
    with pytest.raises(CursorInvalid, match="another question"):
        Cursor.resume(token, digest_of({"collection": "scenes", "text": "blue"}))
    old = a_cursor(issued_at=int(time.time()) - 100).encode()
    assert 10 == Cursor.resume(old, QUESTION).shown
    with pytest.raises(CursorExpired, match="older than 60 seconds"):
        Cursor.resume(old, QUESTION, max_age_s=60)


def test_a_lost_ranking_is_made_again_only_of_the_same_state() -> None:
    """Where scores depend on other rows, a changed collection ends the paging with a reason."""
    a_cursor().expect_state("v3-1f0c2d3e:17:21")

    with pytest.raises(CursorExpired, match="has changed since this cursor's first page"):
        a_cursor().expect_state("v3-1f0c2d3e:18:21")


def test_the_service_answers_with_the_field() -> None:
    """A refused cursor is the client's fault: 422, and the field is named."""
    for error in (CursorInvalid("no"), CursorExpired("old")):
        assert isinstance(error, QueryInvalid)
        problem = problem_of(error)
        assert (422, ["cursor"]) == (problem.status, [each.field for each in problem.errors])


def test_a_question_is_known_by_what_decides_its_ranking() -> None:
    """The order of keys means nothing; every value, type and number of the vector does."""
    vector = np.array([0.6, 0.8], np.float32)
    questions = [
        digest_of({"a": 1, "b": "x"}), digest_of({"a": 1, "b": "y"}), digest_of({"a": "1", "b": "x"}), digest_of({"a": 1}),
        digest_of({"a": 1, "b": "x"}, vector), digest_of({"a": 1, "b": "x"}, vector[::-1]), digest_of(["a", 1, "b", "x"]),
    ]  # fmt: skip

    assert len(questions) == len(set(questions))
    assert questions[0] == digest_of({"b": "x", "a": 1})
    with pytest.raises(ValueError, match="JSON"):
        digest_of({"a": float("nan")})


@few
@given(st.lists(st.tuples(st.integers(0, 2**62), SCORES), max_size=30), st.data())
def test_a_frozen_ranking_thaws_as_it_was(found: list[tuple[int, float]], data: st.DataObject) -> None:
    """To the last bit; a byte more, less or other, and it is as good as lost."""
    ranking = best_of(
        np.array([row for row, _ in found], np.int64), np.array([score for _, score in found], np.float32)
    )

    frozen = freeze(ranking)
    thawed = thaw(frozen)

    assert thawed is not None
    assert ranking.rows.tolist() == thawed.rows.tolist()
    assert ranking.scores.tolist() == thawed.scores.tolist()
    at = data.draw(st.integers(0, len(frozen) - 1))
    flipped = bytes([frozen[at] ^ data.draw(st.integers(1, 255))])
    for wrong in (frozen[:at], frozen + b"x", frozen[:at] + flipped + frozen[at + 1 :], b""):
        assert thaw(wrong) is None


@few
@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0.0, 0.5, 1.0])), max_size=60), st.integers(1, 9))
def test_pages_are_slices_of_one_ranking(found: list[tuple[int, float]], limit: int) -> None:
    """Without writes, the pages of any size are the ranking, cut; the last one says that it is the last."""
    ranking = best_of(
        np.array([row for row, _ in found], np.int64), np.array([score for _, score in found], np.float32)
    )

    pages = list(paged(lambda: ranking.top, limit))

    assert ranking.rows.tolist() == [row for page in pages for row in page.hits.rows.tolist()]
    assert all(limit == len(page.hits) for page in pages[:-1])
    assert (len(ranking) == 0) == (len(pages[-1].hits) == 0)


def paged(
    ranked: Callable[[], Callable[[int], Ranking]],
    limit: int,
    between: Callable[[], None] = lambda: None,
    there: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Iterator[Page]:
    """All pages, each from the ranking of its moment, through cursors; *between* happens between two pages."""
    after, shown = None, 0
    while True:
        page = page_after(ranked(), limit, after, shown=shown, there=there)
        yield page
        if page.last is None:
            return
        token = Cursor(QUESTION, "state", page.last, shown + len(page.hits)).encode()
        cursor = Cursor.resume(token, QUESTION)
        after, shown = cursor.after, cursor.shown
        between()


class Written:
    """A collection under a stream of writes: each row's score, and what was written since the first page."""

    def __init__(self, scores: dict[int, float]) -> None:
        self.scores = dict(scores)
        self.touched: set[int] = set()
        self.rewritten: set[int] = set()

    def write(self, row: int, score: float | None) -> None:
        """Give a row that score, or delete it; row ids are never used again, so a new row gets a new one."""
        if score is None:
            if self.scores.pop(row, None) is not None:
                self.touched.add(row)
        else:
            if row in self.scores:
                self.rewritten.add(row)
            else:
                row += 1_000 * (1 + len(self.touched))
            self.touched.add(row)
            self.scores[row] = score

    def ranking(self) -> Ranking:
        """By score."""
        return best_of(np.array(list(self.scores), np.int64), np.array(list(self.scores.values()), np.float32))

    def fused(self) -> Ranking:
        """By ranks, in two orders: every write may change every score."""
        rows = np.array(list(self.scores), np.int64)
        other = best_of(rows, (rows * 37 % 11).astype(np.float32))
        return reciprocal_rank_fusion([self.ranking(), other]) if len(rows) else Ranking.empty()


GRID = st.integers(-4, 4).map(lambda number: number / 4)
FIRST = st.dictionaries(st.integers(0, 40), GRID, min_size=1, max_size=40)
WRITES = st.lists(st.lists(st.tuples(st.integers(0, 40), st.none() | GRID), max_size=6), max_size=40)


@few
@given(FIRST, WRITES, st.integers(1, 7))
def test_moving_pages_neither_repeat_nor_skip(
    first: dict[int, float], writes: list[list[tuple[int, float | None]]], limit: int
) -> None:
    """Where a score is a row's own: what stays as it was comes exactly once, new rows at most once, deleted ones not again."""
    collection, stream = Written(first), iter(writes)

    def between() -> None:
        for row, score in next(stream, []):
            collection.write(row, score)

    seen = [row for page in paged(lambda: collection.ranking().top, limit, between) for row in page.hits.rows.tolist()]

    untouched = first.keys() - collection.touched
    assert sorted(untouched) == sorted(row for row in seen if row in untouched)
    others = [row for row in seen if row not in collection.rewritten]
    assert len(others) == len(set(others))


@few
@given(FIRST, WRITES, st.integers(1, 7))
def test_frozen_pages_neither_repeat_nor_skip(
    first: dict[int, float], writes: list[list[tuple[int, float | None]]], limit: int
) -> None:
    """Whatever the scores are made of: no row twice, none that was there all the time left out, none that is gone shown."""
    collection, stream = Written(first), iter(writes)
    frozen = freeze(collection.fused())
    seen: list[int] = []

    def thawed() -> Callable[[int], Ranking]:
        ranking = thaw(frozen)
        assert ranking is not None
        return ranking.top

    def between() -> None:
        for row, score in next(stream, []):
            collection.write(row, score)

    def there(rows: np.ndarray) -> np.ndarray:
        return np.array([row in collection.scores for row in rows.tolist()], bool)

    for page in paged(thawed, limit, between, there):
        assert set(page.hits.rows.tolist()) <= collection.scores.keys()
        seen += page.hits.rows.tolist()

    assert len(seen) == len(set(seen))
    assert first.keys() & collection.scores.keys() <= set(seen) <= first.keys()


def test_moving_pages_of_fused_scores_would_skip() -> None:
    """The reason for freezing: ranks change with every write, and a row that was there all the time is never shown."""
    collection = Written({row: row / 8 for row in range(8)})
    rows: list[int] = []

    def between() -> None:
        for number in range(5):
            collection.write(number, 5.0)

    for page in paged(lambda: collection.fused().top, 3, between):
        rows += page.hits.rows.tolist()

    assert len(rows) != len(set(rows)) or set(range(8)) - set(rows)


def test_deleted_rows_leave_no_gap() -> None:
    """A page of a frozen ranking is full as long as enough of it is left, however many are gone."""
    ranking = best_of(np.arange(100), np.linspace(1, 0, 100, dtype=np.float32))

    page = page_after(ranking.top, 3, Position(float(ranking.scores[0]), 0), shown=1, there=lambda rows: rows >= 50)

    assert [50, 51, 52] == page.hits.rows.tolist()
    assert page.last == Position(float(ranking.scores[52]), 52)


def test_a_search_is_asked_no_deeper_than_it_must() -> None:
    """The first page asks for one hit more than it shows, the next for as many more: that tells whether a page follows."""
    ranking, depths = best_of(np.arange(100), np.linspace(1, 0, 100, dtype=np.float32)), list[int]()

    def ranked(depth: int) -> Ranking:
        depths.append(depth)
        return ranking.top(depth)

    assert 4 == len(list(paged(lambda: ranked, 25)))

    assert [26, 51, 76, 101] == depths
