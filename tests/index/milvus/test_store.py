"""Stores of Milvus and the aliases that name them."""

import pytest

from index.errors import MilvusMismatch
from index.milvus.connection import Connection
from index.milvus.part import MilvusPart
from index.milvus.store import (
    INDEXES,
    Index,
    Store,
    aliased,
    count_rows,
    create_store,
    default_index,
    drop_alias,
    drop_store,
    open_store,
    point_alias,
    settle,
)
from tests.index.parts.contract import DIM, ROWS, VECTORS


@pytest.mark.parametrize("index", INDEXES)
def test_a_store_says_what_it_is(lite: Connection, index: Index) -> None:
    """Opened by its name alone it is what it was made as; made again, it stays as it is."""
    made = create_store(lite, f"made_{index}", DIM, index)
    MilvusPart(lite, made).upsert(ROWS[:3], VECTORS[:3])

    assert Store(f"made_{index}", DIM, index, half=False) == made
    assert made == open_store(lite, made.name)
    assert made == create_store(lite, made.name, DIM, index)
    assert 3 == count_rows(lite, made.name)


@pytest.mark.parametrize("index", INDEXES)
def test_a_settled_store_finds_what_is_in_it(lite: Connection, index: Index) -> None:
    """Once its rows are flushed and its index is built, each row finds itself."""
    part = MilvusPart(lite, create_store(lite, f"settled_{index}", DIM, index))
    part.upsert(ROWS, VECTORS)

    settle(lite, part.store.name)

    assert ROWS.tolist() == part.search(VECTORS, 1)[1][:, 0].tolist()
    assert len(ROWS) == count_rows(lite, part.store.name)


@pytest.mark.parametrize(
    ("index", "k", "expected"), [("HNSW", 10, {"ef": 128}), ("HNSW", 500, {"ef": 500}), ("FLAT", 5, {})]
)
def test_a_graph_is_walked_as_wide_as_is_asked(index: Index, k: int, expected: dict[str, int]) -> None:
    """A walk that keeps fewer candidates than it shall find is refused by Milvus; other indexes have no width."""
    assert {"metric_type": "IP", "params": expected} == Store("a", DIM, index, half=True).search_params(k)


def test_milvus_lite_is_exact_by_itself(lite: Connection) -> None:
    """It is for few rows; a server is left to choose."""
    assert lite.is_lite
    assert "FLAT" == default_index(lite)


def test_a_store_that_was_half_made_is_finished(lite: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before it had an index, it gets one when it is made again."""
    call = lite.call

    class Killed(Exception):
        pass

    def kill(method: str, *arguments: object, **named: float) -> object:
        if method == "create_index":
            raise Killed
        return call(method, *arguments, **named)

    monkeypatch.setattr(lite, "call", kill)
    with pytest.raises(Killed):
        create_store(lite, "half", DIM, "HNSW")
    monkeypatch.undo()
    with pytest.raises(MilvusMismatch):
        open_store(lite, "half")

    assert "HNSW" == create_store(lite, "half", DIM, "HNSW").index


def test_what_is_not_ours_is_refused(lite: Connection) -> None:
    """A collection of other fields, and none at all, are no store."""
    lite.call("create_collection", "others", dimension=DIM)

    with pytest.raises(MilvusMismatch, match="was not made by ViLEM"):
        open_store(lite, "others")
    with pytest.raises(MilvusMismatch, match="vilem index push"):
        open_store(lite, "nowhere")


def test_an_alias_moves_in_one_step(lite: Connection) -> None:
    """It names the first, then the second store, and searches by it find what is in that; moving it there again is nothing."""
    first, second = (MilvusPart(lite, create_store(lite, name, DIM, "FLAT")) for name in ("alias_a", "alias_b"))
    first.upsert(ROWS[:1], VECTORS[:1])
    second.upsert(ROWS[1:2], VECTORS[:1])
    assert aliased(lite, "pointer") is None

    seen: list[tuple[str | None, int]] = []
    for name in ("alias_a", "alias_b", "alias_b"):
        point_alias(lite, "pointer", name)
        seen.append((aliased(lite, "pointer"), int(MilvusPart.open(lite, "pointer").search(VECTORS[:1], 1)[1][0, 0])))

    assert [("alias_a", ROWS[0]), ("alias_b", ROWS[1]), ("alias_b", ROWS[1])] == seen


def test_what_is_removed_may_be_removed_again(lite: Connection) -> None:
    """Dropping an alias leaves the store; dropping what is not there is nothing."""
    create_store(lite, "dropped", DIM, "FLAT")
    point_alias(lite, "to_dropped", "dropped")

    for _ in range(2):
        drop_alias(lite, "to_dropped")
    assert lite.call("has_collection", "dropped")
    for _ in range(2):
        drop_store(lite, "dropped")

    assert not lite.call("has_collection", "dropped")
