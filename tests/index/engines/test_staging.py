"""index.engines.staging: a block becomes fragments and a report, and nothing else happens."""

from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pytest

from index.collection import Collection
from index.datasets import CAPTIONS, ITEMS
from index.engines.blocks import Block
from index.engines.staging import STAGING, Staged, Staging, row_ids_of, stage
from index.options import EmbedOptions
from index.rows import captions_table, items_like
from index.schema import Reject
from index.sources.item import SourceItem
from models.bundle import Bundle
from tests.index.support import collection_for, empty_collection, entry, picture
from tests.support.videos import colour_video

NO_PATCHES = EmbedOptions(patches=False)


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny one."""
    return Bundle.open(tiny_bundle)


@pytest.fixture
def collection(tmp_path: Path, bundle: Bundle) -> Collection:
    """Of that bundle, with nothing in it."""
    return collection_for(bundle, tmp_path)


def item(root: Path, name: str, data: bytes, *captions: str) -> SourceItem:
    """A file and what a source says of it."""
    (root / name).write_bytes(data)
    return SourceItem(name, (root / name).as_uri(), captions)


def staged(collection: Collection, bundle: Bundle, *items: SourceItem) -> Staged:
    """The report of a block, compared with the collection as it is."""
    block = Block(0, 0, items, b"", b"")
    return stage(block, collection.latest(), bundle, NO_PATCHES, Staging.create(collection))


def test_a_report_tells_new_items_from_changed_ones(tmp_path: Path, collection: Collection, bundle: Bundle) -> None:
    """What is new, what takes the place of a row and of which one, what stays, and what cannot be read."""
    old = [item(tmp_path, f"{number}.png", picture(number), "a") for number in range(3)]
    collection.add(
        [
            replace(
                entry(0),
                record=replace(entry(0).record, id="1.png"),
                vector=_unit(bundle),
                caption_vectors=_units(bundle),
            )
        ]
    )
    kept = row_ids_of(collection.latest(), ["1.png"])

    report = staged(collection, bundle, *old, item(tmp_path, "bad.png", b"no picture"))

    assert (2, 1) == (_rows(report, collection, report.fresh), _rows(report, collection, report.changed))
    assert tuple(kept.values()) == report.row_ids
    assert ("bad.png", "not-an-image") == (report.rejects[0].id, report.rejects[0].reason)
    assert (4, 3, 0) == (report.summary.seen, report.summary.embedded, report.summary.unchanged)
    assert () == report.block.items and collection.latest().version == report.version


def _unit(bundle: Bundle) -> np.ndarray:
    return np.eye(bundle.manifest.dim, dtype=np.float32)[0]


def _units(bundle: Bundle) -> np.ndarray:
    return np.eye(bundle.manifest.dim, dtype=np.float32)[:2]


def _rows(report: Staged, collection: Collection, fragment: str | None) -> int:
    from lance.fragment import FragmentMetadata

    assert fragment is not None
    return FragmentMetadata.from_json(fragment).physical_rows


def test_the_collection_stays_as_it_is(tmp_path: Path, collection: Collection, bundle: Bundle) -> None:
    """No version is added, and no file among its own."""
    before = set((tmp_path / "test").rglob("*"))
    version = collection.latest().version

    report = staged(collection, bundle, item(tmp_path, "1.png", picture(1), "a"))

    assert report.fresh and report.captions
    after = {path for path in (tmp_path / "test").rglob("*") if STAGING not in path.parts}
    assert before == after and version == collection.latest().version


def test_the_folder_of_a_killed_job_goes(collection: Collection) -> None:
    """Whatever it holds; a new one has a name of its own, so that a worker that lives on writes beside it."""
    first = Staging.create(collection)
    (first.path / "left").write_bytes(b"by a killed job")

    second = Staging.create(collection)

    assert not first.path.exists() and first.path != second.path
    assert [second.path] == list((collection.path / STAGING).iterdir())
    second.remove()
    assert not (collection.path / STAGING).exists()


def test_fragments_fit_a_dataset_whose_columns_came_and_went(tmp_path: Path) -> None:
    """They bear the numbers that its columns have, whatever these were before."""
    collection = empty_collection(tmp_path)
    collection.add([entry(1)])
    collection.keep_patches()
    collection.items.add_columns({"more": "cast(1 as int)"})
    collection.refresh()
    collection.items.drop_columns(["more"])
    collection.refresh()
    staging = Staging.create(collection)

    fragment = staging.write(ITEMS, items_like(collection.items.schema, [entry(2)], 4))

    assert fragment is not None
    (file,) = staging.files(ITEMS, fragment)
    file.replace(collection.path / ITEMS / "data" / file.name)
    added = lance.LanceOperation.Append([lance.FragmentMetadata.from_json(fragment)])
    lance.LanceDataset.commit(collection.items, added, read_version=collection.items.version)
    assert ["item-00001", "item-00002"] == [record.id for record in collection.latest().first(9)]


def test_no_rows_are_no_fragment(collection: Collection) -> None:
    """A block of rejects alone leaves no file."""
    staging = Staging.create(collection)

    assert staging.write(CAPTIONS, captions_table([], {}, collection.info.dim)) is None
    assert [] == list(staging.path.rglob("data/*"))


def test_captions_that_are_stored_are_not_staged_again(tmp_path: Path, collection: Collection, bundle: Bundle) -> None:
    """What a killed writer left counts as stored; what the item has no more is told, to be removed."""
    there = entry(0, ["kept", "gone"])
    record = replace(there.record, id="1.png")
    collection.add([replace(there, record=record, vector=_unit(bundle), caption_vectors=_units(bundle))])

    report = staged(collection, bundle, item(tmp_path, "1.png", picture(1), "kept", "new"))

    assert report.captions is not None and 1 == _rows(report, collection, report.captions)
    table = collection.latest().captions.to_table(columns=["text"], with_row_id=True).to_pylist()
    assert ((next(row["_rowid"] for row in table if row["text"] == "gone"), "1.png"),) == report.stale


def test_only_rejects_that_are_there_are_cleared(tmp_path: Path, collection: Collection, bundle: Bundle) -> None:
    """A report does not carry the ids of millions of good items."""
    rejects = [Reject(name, "u", "not-an-image", "", "now") for name in ("1.png", "9.png")]
    collection.note_rejects(rejects, [])

    report = staged(collection, bundle, *(item(tmp_path, f"{number}.png", picture(number)) for number in range(4)))

    assert ("1.png",) == report.cleared


def test_videos_are_staged_as_they_are(tmp_path: Path, collection: Collection, bundle: Bundle) -> None:
    """Their moments belong to another dataset, which may not even be there."""
    report = staged(
        collection, bundle, item(tmp_path, "v.mp4", colour_video("red")), item(tmp_path, "1.png", picture(1), "a")
    )

    assert report.entries is not None and report.fresh is None and 0 < report.summary.moments
    staging = Staging(next((collection.path / STAGING).iterdir()))
    assert ["1.png", "v.mp4"] == sorted(each.record.id for each in staging.read_entries(report.entries))


def test_row_ids_are_asked_for_what_is_there(tmp_path: Path) -> None:
    """Ids that are not there have none; of no ids, nothing is read."""
    collection = empty_collection(tmp_path)
    assert {} == row_ids_of(collection, ["item-00001"]) == row_ids_of(collection, [])
    collection.add([entry(number) for number in range(3)])

    assert ["item-00001"] == list(row_ids_of(collection.latest(), ["item-00001", "nobody"]))
