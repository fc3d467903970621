"""`MilvusPart` beyond the laws of every part: how it asks, what it does among many, and what can go wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.errors import MilvusMismatch, MilvusUnreachable
from index.milvus import part as parts
from index.milvus.connection import Connection
from index.milvus.names import store_of
from index.milvus.part import MilvusPart
from index.milvus.store import create_store, drop_store
from index.milvus.stored import Stored
from tests.index.milvus.support import Server, opened
from tests.index.parts.contract import DIM, QUERIES, ROWS, VECTORS, assert_same, some
from tests.index.parts.exact import ExactPart
from tests.index.published import filled, unit_vectors

Make = Callable[[np.ndarray, np.ndarray], MilvusPart]
ORACLE = ExactPart(ROWS, VECTORS)


def name() -> str:
    """Of a new store."""
    return store_of("test", "images", "0" * 64, 1)


def made(connection: Connection, rows: np.ndarray = ROWS, vectors: np.ndarray = VECTORS) -> MilvusPart:
    """A part of a new store with those rows."""
    part = MilvusPart(connection, create_store(connection, name(), vectors.shape[1], "FLAT"))
    part.upsert(rows, vectors)
    return part


@pytest.fixture(scope="module")
def part(lite: Connection) -> MilvusPart:
    """Of known rows, not to be written to."""
    return made(lite)


@pytest.fixture
def asked(part: MilvusPart, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What goes to the server from now on."""
    calls: list[dict[str, Any]] = []
    ask = parts.ask

    def remember(connection: Connection, method: str, name: str, **named: Any) -> object:  # noqa: ANN401 - as pymilvus has them
        calls.append({"method": method, **named})
        return ask(connection, method, name, **named)

    monkeypatch.setattr(parts, "ask", remember)
    yield calls


def test_rows_survive_reopening(tmp_path: Path) -> None:
    """What was written is there when the file is opened again, and the store says what it is."""
    with opened(tmp_path / "kept.db") as connection:
        before = made(connection)
        before.delete(ROWS[:1])
        store = before.store

    with opened(tmp_path / "kept.db") as connection:
        after = MilvusPart.open(connection, store.name)
        assert store == after.store
        assert_same(after, ExactPart(ROWS[1:], VECTORS[1:]), 10)
        assert len(ROWS) - 1 == after.rows


def test_a_filter_holds_row_ids_alone(part: MilvusPart, asked: list[dict[str, Any]]) -> None:
    """Up to the limit, the rows that may be found are named in one question."""
    assert_same(part, ORACLE, 5, some(30))

    assert [f"row in {some(30).tolist()}"] == [each["filter"] for each in asked]


def test_a_server_is_sent_bound_values(part: MilvusPart, asked: list[dict[str, Any]]) -> None:
    """A server takes row ids as values beside the expression; milvus-lite knows no such thing and says so."""
    server = MilvusPart.__new__(MilvusPart)
    server.__dict__ |= part.__dict__ | {"_filter_rows": parts.FILTER_ROWS}

    with pytest.raises(Exception, match="unexpected character"):
        server.search(QUERIES, 3, among=some(4))

    assert ("row in {rows}", {"rows": some(4).tolist()}) == (asked[0]["filter"], asked[0]["filter_params"])


@pytest.mark.parametrize("size", [90, 119])
def test_among_most_rows_neighbours_are_looked_through(
    part: MilvusPart, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Above the limit no filter is sent: enough neighbours are asked for, and the allowed ones kept."""
    monkeypatch.setattr(part, "_filter_rows", 50)

    assert_same(part, ORACLE, 3, some(size))

    assert not any("filter" in each for each in asked)
    assert all(each["limit"] < len(ROWS) for each in asked)


def test_few_allowed_neighbours_are_asked_for_again(
    part: MilvusPart, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the nearest rows are not the allowed ones, twice as many are looked at, until there are k."""
    monkeypatch.setattr(part, "_filter_rows", 50)
    monkeypatch.setattr(parts, "_SPARE", 0)
    near = part.search(QUERIES[:1], 60)[1][0]
    among = np.setdiff1d(ROWS, near)

    _, rows = part.search(QUERIES[:1], 2, among=among)

    assert ORACLE.search(QUERIES[:1], 2, among=among)[1].tolist() == rows.tolist()
    limits = [each["limit"] for each in asked[1:]]
    assert [limits[0] * 2**at for at in range(len(limits))] == limits
    assert len(limits) > 1


def test_a_long_filter_is_sent_in_parts(
    part: MilvusPart, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many for a filter, and too deep for neighbours: the rows go in several filters, and the best of all are told."""
    monkeypatch.setattr(part, "_filter_rows", 30)
    monkeypatch.setattr(parts, "MAX_K", 10)

    assert_same(part, ORACLE, 8, some(100))

    assert [30, 30, 30, 10] == [each["filter"].count(",") + 1 for each in asked if "filter" in each]


@pytest.fixture(scope="module")
def stored_part(lite: Connection, tmp_path_factory: pytest.TempPathFactory) -> MilvusPart:
    """A part whose rows are in Lance too, but for what Milvus says: a wrong vector, to tell who answered."""
    vectors = unit_vectors(60, DIM, seed=5)
    collection = filled(tmp_path_factory.mktemp("lance"), vectors)
    store = create_store(lite, name(), DIM, "FLAT")
    MilvusPart(lite, store).upsert(np.arange(60, dtype=np.int64), -vectors)
    return MilvusPart.open(lite, store.name, Stored(collection.items, DIM))


def test_few_rows_are_compared_exactly(stored_part: MilvusPart, asked: list[dict[str, Any]]) -> None:
    """Among few rows the vectors of Lance answer, and Milvus is not asked."""
    query = unit_vectors(60, DIM, seed=5)[7:8]

    scores, rows = stored_part.search(query, 2, among=np.array([3, 7, 20, 1000], np.int64))

    assert 7 == rows[0, 0]
    np.testing.assert_allclose(1, scores[0, 0], atol=1e-3)
    assert [] == asked


def test_where_neighbours_are_not_enough_rows_are_compared_exactly(
    stored_part: MilvusPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among more rows than a filter takes, none of them near, the vectors of Lance answer."""
    monkeypatch.setattr(parts, "EXACT_ROWS", 5)
    monkeypatch.setattr(parts, "MAX_K", 30)
    monkeypatch.setattr(stored_part, "_filter_rows", 10)
    query = unit_vectors(60, DIM, seed=5)[7:8]
    # what Milvus takes for the farthest are the nearest
    far = np.sort(stored_part.search(query, 30)[1][0])
    among = np.setdiff1d(np.arange(60), far)

    scores, rows = stored_part.search(query, 1, among=among)

    assert 7 == rows[0, 0]
    np.testing.assert_allclose(1, scores[0, 0], atol=1e-3)


@pytest.mark.parametrize("dead", [0, 1, 70, 119, 120])
@pytest.mark.parametrize("allowed", [None, 100])
def test_what_is_known_better_elsewhere_is_left_out(part: MilvusPart, dead: int, allowed: int | None) -> None:
    """Rows that are named are not found, however many they are; all others are, in their order."""
    without = some(dead, seed=1)
    among = None if allowed is None else some(allowed)
    left = np.setdiff1d(ROWS if among is None else among, without)

    _, rows = part.search(QUERIES, 5, among=among, without=without)

    expected = ORACLE.search(QUERIES, 5, among=left)[1]
    assert expected.tolist() == [[row for row in each if row >= 0] for each in rows.tolist()]


def test_many_deep_queries_are_asked_in_turns(
    part: MilvusPart, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer fits into a message: queries are sent in groups, and answered in their order."""
    monkeypatch.setattr(parts, "_ANSWER_ROWS", 50)

    assert_same(part, ORACLE, 10)

    assert [5, 5, 2] == [len(each["data"]) for each in asked[:3]]


def test_of_a_row_that_is_named_twice_the_last_counts(lite: Connection) -> None:
    """Writing a row twice at once is writing it once, as it was named last."""
    part = made(lite, np.array([4, 9, 4], np.int64), np.concatenate([VECTORS[:2], VECTORS[2:3]]))

    assert 2 == part.rows
    assert [[4]] == part.search(VECTORS[2:3], 1)[1].tolist()


def test_many_rows_are_sent_in_batches(
    lite: Connection, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message has a limit: rows go in several."""
    monkeypatch.setattr(parts, "BATCH_ROWS", 50)

    part = made(lite)

    assert [50, 50, 20] == [len(each["data"]) for each in asked if each["method"] == "upsert"]
    assert len(ROWS) == part.rows


def test_queries_of_another_model_are_refused(part: MilvusPart) -> None:
    """Queries and vectors of another dimension say so before anything is sent."""
    with pytest.raises(MilvusMismatch, match="do not fit"):
        part.search(unit_vectors(1, DIM + 1), 3)
    with pytest.raises(MilvusMismatch, match="do not fit"):
        part.upsert(ROWS[:1], unit_vectors(1, DIM + 1))


def test_a_store_that_is_gone_is_told_as_such(lite: Connection) -> None:
    """A search in a store that somebody removed says that it is not there, and what puts it there."""
    part = made(lite)
    drop_store(lite, part.store.name)

    with pytest.raises(MilvusMismatch, match="vilem index push"):
        part.search(QUERIES, 3)


def test_a_server_that_was_restarted_is_searched_again(server: Server) -> None:
    """After a restart the next search finds what was there, though the server has not loaded it; writes go on, too."""
    with Connection.open(server.target) as connection:
        part = made(connection)
        server.stop()
        with pytest.raises(MilvusUnreachable, match=r"no Milvus answers at milvus://127\.0\.0\.1"):
            part.search(QUERIES, 3)
        server.start()

        assert_same(part, ORACLE, 10)
        part.upsert(np.array([10**6], np.int64), VECTORS[:1])
        assert len(ROWS) + 1 == part.rows
