"""A collection as it is now."""

from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.datasets import CAPTIONS
from index.errors import TailFull
from index.live import view as view_module
from index.live.changes import Changes, Commits
from index.live.view import View
from index.live.writes import Put, Remove, apply
from index.publish import current, publish
from index.rows import captions_table
from index.schema import Record
from index.snapshot import Snapshot
from index.vectors import unit
from tests.index.published import DIM, entries, filled, unit_vectors

VECTORS = unit_vectors(300)

write = st.tuples(st.just("write"), st.lists(st.integers(0, 50), unique=True, min_size=1, max_size=4))
delete = st.tuples(st.just("delete"), st.lists(st.integers(0, 50), unique=True, min_size=1, max_size=4))
compact = st.tuples(st.just("compact"), st.just(list[int]()))


def published(root: Path, name: str = "test", **options: int) -> tuple[Collection, View]:
    """Forty items with a caption each, and the view of their snapshot."""
    collection = filled(root, VECTORS[:40], name)
    publish(collection)
    return collection, View.of(Snapshot.open(current(collection.path)), collection.latest(), **options)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(write | delete | compact, min_size=1, max_size=5), together=st.booleans())
def test_a_view_is_the_collection_of_now(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, list[int]]], *, together: bool
) -> None:
    """After any history, followed step by step or at once: an exact search finds the stored vectors, all and no others."""
    collection, view = published(tmp_path_factory.mktemp("view"))
    for step, (what, numbers) in enumerate(history):
        if what == "write":
            for number in numbers:
                collection.add(entries(VECTORS[100 + 4 * step + number : 101 + 4 * step + number], first=number))
        elif what == "delete":
            collection.delete([f"item-{number:05d}" for number in numbers])
        else:
            collection.latest().items.optimize.compact_files()
        view = view if together else view.advanced(collection.latest())
    view = view.advanced(collection.latest())
    stored = {
        row: unit(vector)
        for rows, found in view.collection.item_vectors()
        for row, vector in zip(rows, found, strict=True)
    }

    # from the snapshot and from the collection: what is there now, and nothing of what was
    now = zip(stored, view.collection.records_at(list(stored)), strict=True)
    assert dict(now) == view.items([*range(400), *stored])

    scores, rows = view.images.search(VECTORS[-2:], 1000)

    assert len(stored) == view.images.rows == view.texts.rows
    for query, line, values in zip(VECTORS[-2:], rows.tolist(), scores, strict=True):
        exact = np.array([stored[row] @ query for row in line if row >= 0])
        assert stored.keys() == {row for row in line if row >= 0}
        np.testing.assert_allclose(exact, values[: len(exact)], atol=2e-3)


def test_records_that_a_writer_told_are_not_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New, changed and kept items are shown with the records that are stored, and Lance is asked for none of them."""
    collection, view = published(tmp_path)
    for change in (
        entries(VECTORS[100:102], first=39),
        [replace(each, record=replace(each.record, metadata={"n": 7})) for each in entries(VECTORS[3:4], first=3)],
    ):
        collection.add(change)
        view = view.advanced(collection.latest(), collection.made)
    rows = [row for ids, _ in collection.item_vectors() for row in ids.tolist()]
    stored = dict(zip(rows, collection.records_at(rows), strict=True))
    monkeypatch.setattr(Collection, "records_at", None)

    assert 41 == len(stored)
    assert stored == view.items(rows)


def test_nothing_written_is_the_same_view(tmp_path: Path) -> None:
    """Looking again costs nothing when there is nothing new."""
    collection, view = published(tmp_path)

    assert view is view.advanced(collection.latest())


def test_a_tail_has_a_limit(tmp_path: Path) -> None:
    """More writes than are searched without an index are refused with what to do, and the view stays good."""
    collection, view = published(tmp_path, max_tail=3)
    collection.add(entries(VECTORS[50:54], first=50))

    with pytest.raises(TailFull, match="vilem index publish test"):
        view.advanced(collection.latest())

    assert 40 == view.images.rows
    assert (1, 1) == view.images.search(VECTORS[:1], 1)[1].shape


def test_captions_that_a_killed_writer_left_are_found_when_their_item_comes(tmp_path: Path) -> None:
    """Captions that were stored before the snapshot and counted only after it: they are written anew, and found, once."""
    collection, view = published(tmp_path)
    late = entries(VECTORS[60:61], first=60)
    orphans = captions_table(late, {}, DIM)
    lance.write_dataset(orphans, collection.path / CAPTIONS, mode="append")
    publish(collection)
    view = View.of(Snapshot.open(current(collection.path)), collection.latest())
    assert 40 == view.texts.rows

    collection.add(late)
    view = view.advanced(collection.latest())

    _, rows = view.texts.search(VECTORS[60:61], 2)
    found = [row.item_id for row in view.collection.captions_at(rows[0].tolist()) if row]
    assert "item-00060" == found[0]
    assert "item-00060" not in found[1:]
    assert 41 == view.texts.rows == view.collection.captions.count_rows()


def test_known_commits_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that is told what its own process committed is the one that reads it, row by row and score by score."""
    collection, view = published(tmp_path)
    apply(collection, [Remove("item-00003"), *(_put(number) for number in (7, 50, 51))])
    read = view.advanced(collection.latest())
    other = View.of(Snapshot.open(current(collection.path)), view.collection)
    monkeypatch.setattr(view_module, "changes", lambda *_: pytest.fail("it was read"))

    told = other.advanced(collection.latest(), collection.made)

    assert (read.images.rows, read.texts.rows) == (told.images.rows, told.texts.rows) == (41, 38)
    for ours, theirs in ((told.images, read.images), (told.texts, read.texts)):
        for mine, its in zip(ours.search(VECTORS[:5], 60), theirs.search(VECTORS[:5], 60), strict=True):
            assert np.array_equal(mine, its)


def test_too_many_known_commits_are_too_many(tmp_path: Path) -> None:
    """The bound on what is searched without an index holds for what is known too; the view stays good."""
    collection, view = published(tmp_path, max_tail=1)
    apply(collection, [_put(50), _put(51)])

    with pytest.raises(TailFull):
        view.advanced(collection.latest(), collection.made)

    assert 40 == view.images.rows == len({*view.images.search(VECTORS[:1], 100)[1][0].tolist()})


def _put(number: int) -> Put:
    """An item without captions."""
    record = Record(f"item-{number:05d}", "", "", 0, 0)
    return Put(record, VECTORS[200 + number], np.zeros((0, DIM), np.float32), "0" * 64)


def test_commits_of_another_generation_lead_nowhere(tmp_path: Path) -> None:
    """Its versions have numbers as ours have: they are left out, and ours are read."""
    collection, view = published(tmp_path)
    apply(collection, [_put(50)])
    ours = collection.made
    wrong = Changes(np.zeros(0, np.int64), np.array([999]), VECTORS[:1])
    theirs = Commits("g1-00000000", [replace(each, changes=wrong) for each in ours.items], ours.captions)

    after = view.advanced(collection.latest(), theirs)

    assert 41 == after.images.rows and 999 not in after.images.search(VECTORS[:1], 100)[1][0]
