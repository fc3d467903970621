"""What could not be read in."""

from pathlib import Path

import lance
import pytest

from index import rejects
from index.datasets import REJECTS
from index.schema import Reject
from tests.index.support import empty_collection


def reject(item: str, uri: str = "file:///1", reason: str = "broken") -> Reject:
    """One picture of one item."""
    return Reject(item, uri, "bad-row", reason, "2026-01-01")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a collection with three rejects of two items."""
    path = empty_collection(tmp_path).path
    rejects.note(path, [reject("b"), reject("a"), reject("a", "file:///0")])
    return path


def test_they_are_read_in_order(folder: Path) -> None:
    """By id, then by address."""
    assert [("a", "file:///0"), ("a", "file:///1"), ("b", "file:///1")] == [
        (each.id, each.uri) for each in rejects.read(folder)
    ]


def test_the_last_word_on_a_picture_counts(folder: Path) -> None:
    """One row for an id and an address, in one call and over several."""
    rejects.note(folder, [reject("b", reason="gone"), reject("b", reason="too large")])

    assert ["broken", "broken", "too large"] == [each.detail for each in rejects.read(folder)]


@pytest.mark.parametrize(("column", "value", "left"), [("id", "a", ["b"]), ("uri", "file:///1", ["a"])])
def test_they_are_forgotten_by_id_or_address(folder: Path, column: str, value: str, left: list[str]) -> None:
    """What succeeded since, and what bears no id that could come again."""
    rejects.forget(folder, column, [value, "' OR 1=1 --"])

    assert left == [each.id for each in rejects.read(folder)]


def test_nothing_is_no_version(folder: Path) -> None:
    """Nothing to note, nothing to forget, and nothing that is there: readers need not look again."""
    version = lance.dataset(folder / REJECTS).version

    rejects.note(folder, [])
    rejects.forget(folder, "id", [])
    rejects.forget(folder, "id", ["nobody"])

    assert version == lance.dataset(folder / REJECTS).version
