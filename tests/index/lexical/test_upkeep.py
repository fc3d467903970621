"""Laws of keeping a collection searchable by words."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from index.errors import LeaseHeld, StorageFull, TextColumnInvalid
from index.lexical import upkeep
from index.lexical.search import search_texts
from index.lexical.text_index import text_index
from index.lexical.upkeep import index_texts, texts_behind
from index.lexical.words import TextAnalysis
from index.maintenance import tidy
from index.publish import publish
from tests.index.published import entries, filled, unit_vectors
from tests.index.support import empty_collection, entry


def test_a_collection_becomes_searchable_and_stays_so(tmp_path: Path) -> None:
    """The first call makes the index, later ones take in what was written; without news none makes a version."""
    collection = empty_collection(tmp_path)
    assert texts_behind(collection)
    index_texts(collection)
    assert not texts_behind(collection.latest())

    collection.add([entry(1, ("red circles",)), entry(2, ("blue",))])
    assert texts_behind(collection)
    index_texts(collection)
    latest = collection.latest()

    assert not texts_behind(latest)
    assert [0] == search_texts(latest, "circle", 5).rows.tolist()
    index_texts(latest)
    assert latest.captions_version == collection.latest().captions_version


def test_a_published_collection_is_searched_by_words(tmp_path: Path) -> None:
    """Publishing makes the index, so each collection that is served has one, and items written later are found too."""
    collection = filled(tmp_path, unit_vectors(9))
    publish(collection)
    written = entries(unit_vectors(1), first=99)[0]
    collection.add([replace(written, record=replace(written.record, captions=("something else",)))])

    assert 9 == len(search_texts(collection.latest(), "caption", 20))
    assert [9] == search_texts(collection.latest(), "else", 20).rows.tolist()


def test_columns_are_asked_for_once(tmp_path: Path) -> None:
    """A column that was indexed stays so without being named, in the language it was given."""
    collection = empty_collection(tmp_path)
    collection.add([entry(1, ("rote Häuser",))])
    index_texts(collection, columns=["uri"], analysis=TextAnalysis("German"))

    collection.add([entry(2, ("blaue Häuser",))])
    index_texts(collection)
    latest = collection.latest()

    for dataset, column in ((latest.captions, "text"), (latest.items, "uri")):
        index = text_index(dataset, column)
        assert index is not None
        assert (TextAnalysis("German"), 2, 0) == (index.analysis, sum(index.segments), index.unindexed_rows)
    assert {0, 1} == set(search_texts(latest, "Haus", 5).rows.tolist())
    assert [1] == search_texts(latest, "file:///2", 1, columns=["uri"], operator="phrase").rows.tolist()


def test_what_is_no_column_of_texts_is_refused(tmp_path: Path) -> None:
    """The error lists the ones that could be."""
    with pytest.raises(TextColumnInvalid, match="choose among id, uri"):
        index_texts(empty_collection(tmp_path), columns=["width"])


def test_writers_and_compaction_go_on_meanwhile(tmp_path: Path) -> None:
    """While items are written and files merged, the index is brought up again and again; at the end all is found."""
    collection = empty_collection(tmp_path)
    faults: list[BaseException] = []
    done = threading.Event()

    def keep_up() -> None:
        mine = collection.latest()
        while not done.is_set():
            try:
                index_texts(mine)
            except BaseException as error:
                faults.append(error)

    thread = threading.Thread(target=keep_up)
    thread.start()
    writer = collection.latest()
    for number in range(12):
        writer.add(
            [entry(number, ("red",)), entry(number // 2, ("blue", f"number {number}"), sha256="b")][: number % 2 + 1]
        )
        if number % 4 == 3:
            tidy(writer, max_loose=2)
    done.set()
    thread.join()
    index_texts(collection)
    latest = collection.latest()

    assert [] == faults
    listed = {word: {item.id for item in latest.first(99) if word in item.captions} for word in ("red", "blue")}
    for word, ids in listed.items():
        found = search_texts(latest, word, 99).rows.tolist()
        assert ids == {record.id for record in latest.records_at(found) if record is not None}


def test_whoever_never_comes_through_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When others were quicker each time, the error says what to do, and that nothing is lost."""
    collection, tries = empty_collection(tmp_path), list[int]()

    def fails(*_: object, **__: object) -> None:
        tries.append(1)
        raise OSError("Retryable commit conflict for version 8: This CreateIndex transaction was preempted")

    monkeypatch.setattr(upkeep, "_bring_up", fails)
    with pytest.raises(LeaseHeld, match="later; searches read what is not yet in the index"):
        index_texts(collection)
    assert 10 == len(tries)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason and what is safe; other faults pass as they are."""
    for text, expected in (("No space left on device (os error 28)", StorageFull), ("something else", OSError)):

        def fails(*_: object, fault: str = text, **__: object) -> None:
            raise OSError(fault)

        monkeypatch.setattr(upkeep, "_bring_up", fails)
        with pytest.raises(expected):
            index_texts(empty_collection(tmp_path, f"test-{len(text)}"))
