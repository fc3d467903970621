"""Data sets as values."""

from dataclasses import replace

import pytest

from models.evaluation.dataset import Dataset, DatasetInvalid, Edit, Entry
from tests.models.evaluation.made import colours, reader


def _entry(name: str, *captions: str) -> Entry:
    return Entry(name, reader(b""), captions)


def test_an_empty_data_set_is_refused() -> None:
    """Nothing to measure is said, with the place where something was expected."""
    with pytest.raises(DatasetInvalid, match="nowhere is empty: no picture with a caption"):
        Dataset("nowhere", "made", "", ())


def test_pictures_without_captions_alone_are_nothing_to_measure() -> None:
    """A pool that nobody asks for anything is as good as empty."""
    with pytest.raises(DatasetInvalid, match="is empty"):
        Dataset("pool", "made", "", (_entry("a"), _entry("b")))


def test_some_pictures_may_have_no_captions() -> None:
    """A picture without captions makes the pool larger, and is no error."""
    assert 2 == len(Dataset("pool", "made", "", (_entry("a", "one"), _entry("b"))).entries)


def test_two_pictures_cannot_share_a_name() -> None:
    """Ids name pictures in reports, so each must be one picture's."""
    with pytest.raises(DatasetInvalid, match="two pictures 'a'"):
        Dataset("twice", "made", "", (_entry("a", "one"), _entry("a", "two")))


def test_the_first_captions_keep_their_labels_and_edits() -> None:
    """With a limit, captions beyond it go, and their labels and edits with them."""
    whole = Entry(
        "a", reader(b""), ("one", "two", "three"), (("x",), ("y",), ("z",)),
        (Edit("won", 0, "k"), Edit("tow", 1, "k"), Edit("tree", 2, "k")),
    )  # fmt: skip

    found = whole.first_captions(2)

    assert (("one", "two"), (("x",), ("y",))) == (found.captions, found.labels)
    assert ["won", "tow"] == [edit.text for edit in found.edits]


def test_a_limit_beyond_the_captions_changes_nothing() -> None:
    """Pictures with fewer captions than the limit keep all."""
    entry = colours(2).entries[0]

    assert entry == entry.first_captions(5)


def test_entries_are_equal_by_what_they_say() -> None:
    """How a picture is read is no part of which picture it is."""
    assert _entry("a", "one") == _entry("a", "one")
    assert _entry("a", "one") != _entry("a", "two")


def test_an_identity_is_of_everything_that_is_asked() -> None:
    """Other bytes, captions, ids, or edits where they are asked about, make another identity; labels and kinds do not."""
    entry = replace(_entry("a", "one", "two"), edits=(Edit("three", 1, "x"),))
    others = [replace(entry, id="b"), replace(entry, captions=("one", "2")), replace(entry, edits=(Edit("3", 1, "x"),))]

    assert 5 == len({entry.identity(b"", edits=True), entry.identity(b" ", edits=True)} | {
        each.identity(b"", edits=True) for each in others
    })  # fmt: skip
    assert entry.identity(b"", edits=False) == others[2].identity(b"", edits=False)
    same = replace(entry, labels=(("l",), ("l",)), edits=(Edit("three", 1, "y"),))
    assert entry.identity(b"", edits=True) == same.identity(b"", edits=True)
