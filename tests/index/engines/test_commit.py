"""index.engines.commit: staged blocks become rows, beside other writers."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import lance
import numpy as np
import pytest

from index import replace
from index.collection import Collection
from index.engines.blocks import BlockSource
from index.engines.commit import StagedCommitter
from index.engines.job import Work
from index.engines.staging import Staged, Staging
from index.options import EmbedOptions
from index.rows import Entry
from index.schema import Record
from index.sources.item import SourceItem
from models.bundle import Bundle
from tests.index.engines.support import contents, reports
from tests.index.support import collection_for, live_captions, picture, stored_ids
from tests.support.videos import colour_video


class Stage:
    """A collection, a folder of pictures, and blocks that wait for their commit."""

    def __init__(self, root: Path, bundle: Bundle) -> None:
        self.root = root
        self.bundle = bundle
        self.collection = collection_for(bundle, root)
        self.staging = Staging.create(self.collection)
        self.committer = StagedCommitter(self.collection, self.staging)

    def item(self, number: int, shown: int | None = None, captions: Sequence[str] = ("a dog", "a cat")) -> SourceItem:
        """A picture of that name, which shows what another number stands for."""
        file = self.root / f"{number:03d}.png"
        file.write_bytes(picture(number if shown is None else shown))
        return SourceItem(f"{number:03d}", file.as_uri(), tuple(captions), {"n": number})

    def staged(self, *items: SourceItem) -> list[Staged]:
        """Reports of blocks of four items, embedded now."""
        work = Work(
            self.root, "test", self.collection.generation, self.bundle.path, self.bundle.digest, self.staging.path,
            EmbedOptions(chunk_rows=4, patches=False),
        )  # fmt: skip
        return list(reports([BlockSource(items)], work))

    def put(self, *items: SourceItem) -> None:
        """Blocks that are committed at once."""
        self.committer.commit(self.staged(*items))

    def others(self) -> Collection:
        """The collection in another writer's hands."""
        return Collection.open(self.root, "test")

    def entry(self, number: int, captions: Sequence[str] = ("another's",)) -> Entry:
        """An item as another writer would write it."""
        dim = self.collection.info.dim
        record = Record(f"{number:03d}", "file:///another's", "f" * 64, 1, 1, tuple(captions))
        return Entry(record, np.eye(dim, dtype=np.float32)[0], np.eye(dim, dtype=np.float32)[: len(captions)])

    def uris(self) -> dict[str, str]:
        """Where the items lie, by id: another's tell so."""
        return {item: str(row["uri"]) for item, row in contents(self.collection).items()}


@pytest.fixture
def stage(tmp_path: Path, tiny_bundle: Path) -> Stage:
    """With nothing in it."""
    return Stage(tmp_path, Bundle.open(tiny_bundle))


def versions(collection: Collection) -> dict[str, tuple[int, int, int]]:
    """Row id, and the versions that a row was created and last written at, by id."""
    columns = ["id", "_row_created_at_version", "_row_last_updated_at_version"]
    rows = collection.latest().items.to_table(columns=columns, with_row_id=True).to_pylist()
    return {row["id"]: (row["_rowid"], row[columns[1]], row[columns[2]]) for row in rows}


def test_nothing_is_seen_before_the_commit(stage: Stage) -> None:
    """Staged rows are no rows, of items or of captions; then all of them are, in one version."""
    reports = stage.staged(*(stage.item(number) for number in range(10)))
    version = stage.others().version
    assert 0 == stage.others().count() == stage.others().captions.count_rows()

    stage.committer.commit(reports)

    assert version + 1 == stage.others().version and 10 == len(contents(stage.collection))
    assert 20 == len(live_captions(stage.collection)) and 10 == stage.committer.committed


def test_replaced_rows_keep_their_ids_and_tell_when(stage: Stage) -> None:
    """What live views compare with: a replaced row is written at the commit's version and as old as it was, a new one is new."""
    stage.put(*(stage.item(number) for number in range(6)))
    before = versions(stage.collection)

    stage.put(stage.item(1, 700), stage.item(4, 701), stage.item(8))

    after, now = versions(stage.collection), stage.others().version
    for item, (row, created, written) in before.items():
        assert (row, created, now if item in ("001", "004") else written) == after[item]
    assert (now, now) == after["008"][1:] and after["008"][0] not in {row for row, *_ in before.values()}


def test_whole_files_are_replaced(stage: Stage) -> None:
    """When each row of a file has another in its place, the file is gone and no row with it."""
    stage.put(*(stage.item(number) for number in range(4)))
    before = versions(stage.collection)

    stage.put(*(stage.item(number, 700 + number) for number in range(4)))

    assert 1 == len(stage.others().items.get_fragments())
    assert {item: row for item, (row, *_) in before.items()} == {
        item: row for item, (row, *_) in versions(stage.collection).items()
    }


def test_captions_that_changed_leave_no_row_behind(stage: Stage) -> None:
    """New ones come, those that stay keep their row, those that went are removed."""
    stage.put(stage.item(1, captions=["a", "b", "c"]), stage.item(2))
    kept = stage.others().captions.to_table(columns=[], filter="text = 'a'", with_row_id=True)["_rowid"].to_pylist()

    stage.put(stage.item(1, captions=["a", "c"]))

    assert [("001", 0, "a"), ("001", 1, "c")] == live_captions(stage.collection)[:2]
    assert 4 == stage.others().captions.count_rows()
    again = stage.others().captions.to_table(columns=[], filter="text = 'a'", with_row_id=True)["_rowid"].to_pylist()
    assert kept == again


def test_what_others_wrote_meanwhile_stays(stage: Stage) -> None:
    """A block is older than a write that came after it was read: the write stays, and the block's other items are there."""
    stage.put(*(stage.item(number) for number in range(4)))
    waiting = stage.staged(stage.item(1, 701), stage.item(2, 702), stage.item(5), stage.item(6))
    stage.others().add([stage.entry(1), stage.entry(5)])

    stage.committer.commit(waiting)

    uris = stage.uris()
    assert ["000", "001", "002", "003", "005", "006"] == sorted(uris)
    assert ["001", "005"] == sorted(item for item, uri in uris.items() if "another's" in uri)
    assert [("001", 0, "another's"), ("005", 0, "another's")] == [
        row for row in live_captions(stage.collection) if row[2] == "another's"
    ]
    assert 2 * 4 + 2 == len(live_captions(stage.collection)) == stage.others().captions.count_rows()


def test_what_others_removed_meanwhile_stays_away(stage: Stage) -> None:
    """A removed item does not come back with the row that was to take its place."""
    stage.put(*(stage.item(number) for number in range(4)))
    waiting = stage.staged(stage.item(1, 701), stage.item(2, 702))
    stage.others().delete(["001"])

    stage.committer.commit(waiting)

    assert ["000", "002", "003"] == stored_ids(stage.collection)
    assert 6 == len(live_captions(stage.collection)) == stage.others().captions.count_rows()


def test_what_the_job_itself_wrote_is_no_other_writers(stage: Stage) -> None:
    """Blocks that were staged before an earlier commit of the same job are committed all the same, after videos too."""
    stage.put(*(stage.item(number) for number in range(8)))
    first, second = stage.staged(stage.item(1, 701)), stage.staged(stage.item(2, 702), stage.item(9))
    video = stage.root / "v.mp4"
    video.write_bytes(colour_video("red"))

    stage.committer.commit([*first, *stage.staged(SourceItem("v", video.as_uri()))])
    stage.committer.commit(second)

    hashes = {item: hashlib.sha256(picture(shown)).hexdigest() for item, shown in (("001", 701), ("002", 702))}
    assert hashes == stage.others().known(["001", "002"])
    assert {"009", "v"} <= set(stored_ids(stage.collection)) and stage.others().moments.count()


def test_columns_that_came_meanwhile_are_filled(stage: Stage) -> None:
    """Rows that were staged for fewer columns are written with all of them."""
    waiting = stage.staged(*(stage.item(number) for number in range(6)))
    stage.others().keep_patches()

    stage.committer.commit(waiting)

    assert 6 == len(contents(stage.collection)) and 12 == len(live_captions(stage.collection))
    assert {None} == {row["patches"] for row in contents(stage.collection).values()}


def test_files_that_are_merged_meanwhile_are_looked_up_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge of small files, which takes no turn, may come between: the rows are found where they lie now."""
    for number in range(6):
        stage.put(stage.item(number))
    before, merges = versions(stage.collection), list[int]()
    without = replace.without

    def merged_behind(dataset: lance.LanceDataset, rows: replace.Rows) -> object:
        made = without(dataset, rows)
        if not merges:
            merges.append(stage.others().items.optimize.compact_files().fragments_removed)
        return made

    monkeypatch.setattr(replace, "without", merged_behind)

    stage.put(stage.item(1, 701), stage.item(4, 702), stage.item(7))

    assert [6] == merges
    assert ["000", "001", "002", "003", "004", "005", "007"] == sorted(contents(stage.collection))
    assert {item: row for item, (row, *_) in before.items()}.items() <= {
        item: row for item, (row, *_) in versions(stage.collection).items()
    }.items()


@pytest.mark.parametrize("step", ["_append_captions", "_commit_items", "_remove_stale"])
def test_a_commit_that_ends_half_way_is_made_good(stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whichever step is the last: items are as they were or as they should be, and the same blocks again make the rest."""
    stage.put(*(stage.item(number) for number in range(4)))
    items = [stage.item(1, 701), stage.item(2, captions=["new"]), stage.item(6)]
    before = contents(stage.collection)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(StagedCommitter, step, _killed)
        stage.put(*items)

    found = contents(stage.collection)
    assert before == found if step != "_remove_stale" else "006" in found
    stage = _reopened(stage)
    stage.put(*items)
    assert ["000", "001", "002", "003", "006"] == sorted(contents(stage.collection))
    assert ("002", 0, "new") in live_captions(stage.collection)
    assert 9 == len(live_captions(stage.collection))
    # what was to be removed does not count, and goes when its item comes with other captions
    assert (11 if step == "_remove_stale" else 9) == stage.others().captions.count_rows()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def _reopened(stage: Stage) -> Stage:
    """As the next job finds it."""
    after = Stage.__new__(Stage)
    after.root, after.bundle, after.collection = stage.root, stage.bundle, stage.others()
    after.staging = Staging.create(after.collection)
    after.committer = StagedCommitter(after.collection, after.staging)
    return after


def test_rejects_are_noted_with_the_rows(stage: Stage) -> None:
    """What could not be read is in the table after the commit; what could at last leaves it."""
    (stage.root / "bad.png").write_bytes(b"no picture")
    bad = SourceItem("bad", (stage.root / "bad.png").as_uri())
    stage.put(stage.item(1), bad, stage.item(1, 1))
    assert [("001", "duplicate-id"), ("bad", "not-an-image")] == [
        (each.id, each.reason) for each in stage.others().rejects()
    ]

    (stage.root / "bad.png").write_bytes(picture(9))
    stage.put(bad)

    assert ["001"] == [each.id for each in stage.others().rejects()]
    assert ["001", "bad"] == stored_ids(stage.collection)


def test_no_blocks_are_no_commit(stage: Stage) -> None:
    """Nothing is written for nothing."""
    version = stage.others().version

    stage.committer.commit([])
    stage.committer.commit(stage.staged())

    assert version == stage.others().version and 0 == stage.committer.committed
