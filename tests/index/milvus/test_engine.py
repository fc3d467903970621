"""Who answers for a collection: `engine.json`, and the opening of what it names."""

import json
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.errors import CollectionInvalid, CollectionTooNew, MilvusMismatch, MilvusUnreachable
from index.live.changes import changes
from index.milvus.connection import Connection
from index.milvus.engine import (
    ENGINE_FILE,
    JOURNAL_FILE,
    EngineRecord,
    open_engine,
    own_stores,
    read_record,
    write_record,
)
from index.milvus.part import MilvusPart
from index.milvus.push import push
from index.milvus.store import create_store, drop_store
from index.milvus.target import Target
from tests.index.milvus.support import Server, opened
from tests.index.published import DIM, entries, filled, unit_vectors

VECTORS = unit_vectors(40)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Forty items, each with a caption."""
    return filled(tmp_path, VECTORS)


def record_of(collection: Collection) -> EngineRecord:
    """What the collection's file says."""
    record = read_record(collection.path)
    assert record is not None
    return record


def test_without_a_push_faiss_answers(collection: Collection) -> None:
    """No file, no Milvus."""
    assert read_record(collection.path) is None
    assert open_engine(collection) is None


def test_what_was_pushed_is_opened(collection: Collection, target: Target) -> None:
    """Both parts are open at the versions that were pushed, and answer as a view of now once they are told of it."""
    push(collection, target)
    collection.delete(["item-00007"])
    collection.add(entries(VECTORS[7:8], first=90))

    with open_engine(collection) or pytest.fail("nothing was opened") as engine:
        assert (40, 40) == (engine.images.rows, engine.texts.rows)
        assert record_of(collection).pushed.items_version == engine.collection.version
        # told of what was written since, as a view tells its parts
        images = engine.images.after(changes(engine.collection.items, collection.latest().items, DIM))
        assert [[40]] == images.search(VECTORS[7:8], 1)[1].tolist()
        assert [[8]] == images.search(VECTORS[8:9], 1, among=np.array([8, 9]))[1].tolist()
        assert (40, 1) == (images.rows, images.dead)


def test_a_collection_without_captions_has_an_empty_part(tmp_path: Path, target: Target) -> None:
    """Captions may come later: their part is there, and finds nothing."""
    collection = filled(tmp_path, VECTORS[:3], captions=0)
    push(collection, target)

    with open_engine(collection) or pytest.fail("nothing was opened") as engine:
        assert (3, 0) == (engine.images.rows, engine.texts.rows)
        assert not (engine.texts.search(VECTORS[:1], 3)[1] >= 0).any()


def test_a_record_survives_its_file(collection: Collection, target: Target) -> None:
    """Read again it is what was written; it names no secret and no other file is left beside it."""
    before = {path.name for path in collection.path.iterdir()}
    push(collection, target, token="root:hunter2")
    record = record_of(collection)

    write_record(collection.path, record)

    assert record == record_of(collection)
    assert {ENGINE_FILE, "push.lease"} == {path.name for path in collection.path.iterdir()} - before - {"turn"}
    assert "hunter2" not in (collection.path / ENGINE_FILE).read_text()


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"schema_version": 1}', '{"schema_version": "x"}', "\xff"])
def test_a_damaged_record_is_refused(collection: Collection, damage: str) -> None:
    """The message tells what happens without it."""
    (collection.path / ENGINE_FILE).write_bytes(damage.encode("latin-1"))

    with pytest.raises(CollectionInvalid, match=r"is damaged: remove it; the FAISS snapshot is served"):
        open_engine(collection)


@pytest.mark.parametrize("field", ["uri", "serving", "dim"])
def test_a_changed_record_is_refused(collection: Collection, target: Target, field: str) -> None:
    """The seal covers every field: what was written by hand, or rotted, is not followed."""
    push(collection, target)
    file = collection.path / ENGINE_FILE
    fields = json.loads(file.read_bytes())
    fields[field] = {"uri": "milvus://elsewhere:19530", "serving": False, "dim": 9}[field]
    file.write_text(json.dumps(fields))

    with pytest.raises(CollectionInvalid, match="is damaged"):
        open_engine(collection)


def test_a_newer_record_is_refused(collection: Collection) -> None:
    """A file of a newer ViLEM, whatever it holds, asks for that ViLEM."""
    (collection.path / ENGINE_FILE).write_text(json.dumps({"schema_version": 2, "new": True}))

    with pytest.raises(CollectionTooNew, match="upgrade ViLEM"):
        open_engine(collection)


@pytest.mark.parametrize(
    ("field", "value"),
    [("collection", "other"), ("bundle_digest", "1" * 64), ("created_at", "2020-01-01T00:00:00+00:00"), ("dim", 9)],
)
def test_vectors_of_another_collection_are_refused(
    collection: Collection, target: Target, field: str, value: object
) -> None:
    """A record of another name, model, dimension, or of a collection that was built anew since, is not searched."""
    push(collection, target)
    write_record(collection.path, record_of(collection).model_copy(update={field: value}))

    with pytest.raises(MilvusMismatch, match="vilem index push test --to milvus://"):
        open_engine(collection)


def test_a_store_that_is_gone_is_told(collection: Collection, target: Target, lite: Connection) -> None:
    """Somebody removed what was pushed: the message says what puts it back."""
    record = push(collection, target)
    drop_store(lite, record.pushed.texts)

    with pytest.raises(MilvusMismatch, match="vilem index push"):
        open_engine(collection)


@pytest.mark.parametrize(("dim", "rows"), [(DIM, 0), (DIM + 1, 40)])
def test_a_store_of_something_else_is_told(
    collection: Collection, target: Target, lite: Connection, dim: int, rows: int
) -> None:
    """An emptied store, and one of another model, under the name of ours are no part."""
    name = push(collection, target).pushed.images
    drop_store(lite, name)
    other = MilvusPart(lite, create_store(lite, name, dim, "FLAT"))
    other.upsert(np.arange(rows, dtype=np.int64), unit_vectors(rows, dim) if rows else np.zeros((0, dim)))

    with pytest.raises(MilvusMismatch, match=r"40 of d=8 were pushed: .* --anew"):
        open_engine(collection)


def test_a_server_that_is_gone_is_told(collection: Collection, server: Server) -> None:
    """Nobody answers: the error says where, in bounded time, and the file stays as it is."""
    push(collection, server.target)
    before = record_of(collection)
    server.stop()

    with pytest.raises(MilvusUnreachable, match="no Milvus answers at milvus://"):
        open_engine(collection)

    server.start()
    assert before == record_of(collection)
    with open_engine(collection) or pytest.fail("nothing was opened") as engine:
        assert [[3]] == engine.images.search(VECTORS[3:4], 1)[1].tolist()


def test_what_is_closed_is_free(collection: Collection, tmp_path: Path) -> None:
    """An engine that could not be opened, or was closed, holds no file."""
    file = tmp_path / "own.db"
    with opened(file) as connection:
        push(collection, connection.target)
    engine = open_engine(collection)
    assert engine is not None
    engine.close()
    with opened(file) as connection:
        drop_store(connection, engine.record.pushed.images)
    with pytest.raises(MilvusMismatch):
        open_engine(collection)

    from index.milvus import connection as connections

    assert str(file) not in connections._lite_users  # pyright: ignore[reportPrivateUsage] - the count of who has a file


def test_stores_of_all_generations_are_own(collection: Collection, target: Target) -> None:
    """What any generation has pushed, finished or not, is the collection's own."""
    record = push(collection, target)
    generation = collection.home / "generations" / "g1-00000000"
    write_record(
        generation, record.model_copy(update={"pushed": record.pushed.model_copy(update={"images": "x"})}), JOURNAL_FILE
    )

    assert {record.pushed.images, record.pushed.texts, "x"} == own_stores(collection.home)
