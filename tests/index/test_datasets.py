"""index.datasets: opening a collection's datasets, and looking rows up."""

import json
import shutil
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from index import datasets
from index.collection import Collection
from index.errors import CollectionInvalid, CollectionMissing, CollectionTooNew
from tests.index.support import empty_collection, entry


def _rewrite(path: Path, **fields: object) -> None:
    file = path / "collection.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_a_collection_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says where it was looked for and what makes one."""
    with pytest.raises(CollectionMissing, match=r"shoes: `vilem index build`"):
        Collection.open(tmp_path, "shoes")


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A collection of a newer ViLEM is refused before its unknown fields are looked at."""
    collection = empty_collection(tmp_path)
    _rewrite(collection.path, schema_version=2, shards=[1, 2])
    with pytest.raises(CollectionTooNew, match="upgrade"):
        Collection.open(tmp_path, "test")


@pytest.mark.parametrize(
    "fields", [{"dim": 0}, {"dim": "wide"}, {"schema_version": None}, {"unknown": 1}, {"bundle_digest": 3}]
)
def test_a_broken_description_is_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    """Fields out of range, of a wrong type or unknown: the collection is invalid, and the field is named."""
    collection = empty_collection(tmp_path)
    _rewrite(collection.path, **fields)
    with pytest.raises(CollectionInvalid, match=next(iter(fields))):
        Collection.open(tmp_path, "test")


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_what_is_no_description_is_refused(tmp_path: Path, text: str) -> None:
    """A truncated or foreign collection.json is invalid."""
    collection = empty_collection(tmp_path)
    (collection.path / "collection.json").write_text(text)
    with pytest.raises(CollectionInvalid):
        Collection.open(tmp_path, "test")


def test_a_version_that_is_gone_is_named(tmp_path: Path) -> None:
    """Asking for a version that was never there is a missing collection, not a crash."""
    empty_collection(tmp_path)
    with pytest.raises(CollectionMissing, match="version 99"):
        Collection.open(tmp_path, "test", version=99)


def test_items_and_captions_are_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write between the opening of the two datasets makes the reader look again."""
    writer = empty_collection(tmp_path)
    writer.add([entry(1)])
    looked: list[str] = []
    plain = datasets.newest
    is_writing = False

    def interrupted(dataset: lance.LanceDataset) -> lance.LanceDataset:
        nonlocal is_writing
        seen = plain(dataset)
        # the writer looks at what is there, too
        if not is_writing:
            looked.append(Path(dataset.uri).name)
        if len(looked) == 1 and not is_writing:
            is_writing = True
            writer.add([entry(1, ["three"], "b")])
            is_writing = False
        return seen

    monkeypatch.setattr(datasets, "newest", interrupted)
    reader = Collection.open(tmp_path, "test")
    assert ["items.lance", "captions.lance"] * 2 == looked
    assert (("three",), 1) == (
        reader.first(1)[0].captions,
        sum(len(rows) for rows, _ in reader.caption_vectors()),
    )


def test_ids_are_values_and_never_code(tmp_path: Path) -> None:
    """An id that reads like a predicate finds nothing."""
    collection = empty_collection(tmp_path)
    collection.add([entry(1)])
    ids = ["' OR 1=1 --", "x') OR (id != '", "%", "item-00001"]
    assert ["item-00001"] == datasets.rows_of_ids(collection.items, "id", ids, ["id"])["id"].to_pylist()
    assert 0 == datasets.rows_of_ids(collection.items, "id", [], ["id"]).num_rows


def test_a_caption_counts_at_its_place_only(tmp_path: Path) -> None:
    """Text and position must both be the item's."""
    collection = empty_collection(tmp_path)
    collection.add([entry(1, ["a", "b"])])
    batch = pa.RecordBatch.from_pydict(
        {
            "item_id": ["item-00001"] * 4 + ["item-00002"],
            "position": pa.array([0, 1, 1, 2, 0], pa.int32()),
            "text": ["a", "b", "a", "b", "a"],
        }
    )
    assert [True, True, False, False, False] == datasets.live_captions(collection.items, batch).tolist()


@pytest.mark.parametrize("dataset", ["items.lance", "captions.lance"])
def test_a_lost_dataset_is_damage(tmp_path: Path, dataset: str) -> None:
    """A collection that lost a part is not "missing", which would be an invitation to make it: it says what to do."""
    shutil.rmtree(empty_collection(tmp_path).path / dataset)

    with pytest.raises(CollectionInvalid, match="restore it from a copy, or remove") as caught:
        Collection.open(tmp_path, "test")

    assert ".rs" not in str(caught.value)


def test_a_folder_has_its_collections_name(tmp_path: Path) -> None:
    """A folder that was copied or renamed is refused: it would be listed by one name and answer to another."""
    empty_collection(tmp_path).path.rename(tmp_path / "renamed")

    with pytest.raises(CollectionInvalid, match="holds the collection 'test'"):
        Collection.open(tmp_path, "renamed")
