"""Tags of a dataset that others make and remove too."""

import threading
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from index.errors import CollectionInvalid
from index.tags import tags_of, untag


@pytest.fixture
def dataset(tmp_path: Path) -> lance.LanceDataset:
    """One row, tagged "kept"."""
    made = lance.write_dataset(pa.table({"a": [1]}), str(tmp_path / "rows.lance"))
    made.tags.create("kept", 1)
    return made


def test_tags_are_listed_while_others_come_and_go(dataset: lance.LanceDataset) -> None:
    """Whatever another makes and removes meanwhile, what stays is listed each time with its version."""
    ended = threading.Event()

    def come_and_go() -> None:
        other, number = lance.dataset(dataset.uri), 0
        while not ended.is_set():
            other.tags.create(f"other-{number}", 1)
            untag(other, f"other-{number}")
            number += 1

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        found = [tags_of(dataset) for _ in range(200)]
    finally:
        ended.set()
        thread.join()

    assert {1} == {tags["kept"] for tags in found}


def test_a_tag_that_is_gone_is_no_error(dataset: lance.LanceDataset) -> None:
    """Of two that remove one, the second has nothing to do."""
    untag(dataset, "kept")
    untag(dataset, "kept")

    assert {} == tags_of(dataset)


@pytest.mark.parametrize("left", ["", '{"version": ', "{}", "[]"])
def test_a_damaged_tag_is_named(dataset: lance.LanceDataset, left: str) -> None:
    """A file that a power cut left half written is told by its path, with what to do; that done, all goes on."""
    dataset.tags.create("also-kept", 1)
    (path,) = (each for each in Path(dataset.uri).rglob("*.json") if each.stem == "kept")
    path.write_text(left)

    with pytest.raises(CollectionInvalid, match=r"kept\.json is damaged.*remove that file"):
        tags_of(dataset)
    path.unlink()
    assert {"also-kept": 1} == tags_of(dataset)
