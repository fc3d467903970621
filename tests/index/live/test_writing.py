"""A writer that stays with its collection."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.errors import CollectionMissing
from index.generations import serve
from index.live.writes import Put
from index.live.writing import LiveWriter
from index.schema import Record
from tests.index.support import DIM, empty_collection
from tests.index.test_generations import generation


def put(number: int, dim: int = DIM, digest: str = "0" * 64) -> Put:
    """A new item without captions."""
    return Put(
        Record(f"new-{number}", "", "", 0, 0), np.eye(dim, dtype=np.float32)[0], np.zeros((0, dim), np.float32), digest
    )


def test_it_tells_what_it_made(tmp_path: Path) -> None:
    """Outcomes, the generation, and commits that lead from the version before to the one that has the changes."""
    empty_collection(tmp_path)
    writer = LiveWriter(tmp_path, "test")

    first = writer.apply([put(1), put(2)])
    again = writer.apply([put(2), put(3)])

    assert ["created", "created"] == first.outcomes and ["updated", "created"] == again.outcomes
    assert [[2], [2]] == [[len(each.changes.rows) for each in done.made.items] for done in (first, again)]
    assert first.made.items[-1].after == again.made.items[0].before
    assert "g0" == again.made.generation
    assert 3 == Collection.open(tmp_path, "test").count()


def test_it_writes_to_the_generation_that_is_served(tmp_path: Path) -> None:
    """Another model takes over between two writes: the next one goes there, and what is for the old one is refused there."""
    collection = empty_collection(tmp_path)
    writer = LiveWriter(tmp_path, "test")
    writer.apply([put(1)])
    other = generation(collection)
    serve(collection.home, other.generation)

    done = writer.apply([put(2, 2 * DIM, other.info.bundle_digest)])

    assert other.generation == done.made.generation
    assert (1, 1) == (collection.latest().count(), other.latest().count())


def test_it_follows_what_is_made_anew(tmp_path: Path) -> None:
    """One that is gone is told; one that was made again under the name is written to."""
    first = empty_collection(tmp_path)
    writer = LiveWriter(tmp_path, "test")
    writer.apply([put(1)])
    shutil.rmtree(first.home)
    with pytest.raises(CollectionMissing):
        writer.apply([put(2)])

    empty_collection(tmp_path)
    writer.apply([put(3)])

    assert ["new-3"] == [record.id for record in Collection.open(tmp_path, "test").first(9)]
