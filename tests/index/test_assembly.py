"""index.assembly: outcomes become batches, rows and chunks."""

from pathlib import Path

import numpy as np
import pytest

from index.assembly import Assembly
from index.captions import CaptionStage
from index.collection import Collection
from index.commits import Committer
from index.options import EmbedOptions
from index.prepare import Ready, Unchanged
from index.progress import Tally
from index.rows import Entry
from index.schema import Record, Reject
from tests.index.support import CountingBundle, collection_for, counting

REJECT = Reject("r", "file:///r", "missing-file", "not there", "2026-01-01T00:00:00+00:00")


def _ready(number: int, *captions: str, pixels: bool = True) -> Ready:
    record = Record(f"{number:04d}", "file:///x", "ab", 1, 1, captions)
    return Ready(record, np.full((32, 32, 3), number % 256, np.uint8) if pixels else None)


class Bench:
    """An assembly with everything around it."""

    def __init__(self, root: Path, bundle: CountingBundle, **options: float) -> None:
        self.bundle = bundle
        self.collection = (
            collection_for(bundle, root) if not (root / "test").exists() else Collection.open(root, "test")
        )
        self.committer = Committer(self.collection)
        self.tally = Tally()
        bounds = EmbedOptions(**options)  # pyright: ignore[reportArgumentType]
        self.assembly = Assembly(self.collection.latest(), bundle, bounds, self.committer, self.tally)

    def stored(self) -> int:
        """Rows that are safe."""
        self.committer.wait()
        return self.collection.latest().count()


def test_images_go_through_the_model_in_full_batches(tmp_path: Path, tiny_bundle: Path) -> None:
    """Every batch is full but the last."""
    bench = Bench(tmp_path, counting(tiny_bundle), image_batch=4)
    for number in range(10):
        bench.assembly.take(_ready(number))
    bench.assembly.finish()
    assert [4, 4, 2] == bench.bundle.batches
    assert (10, 10, 10) == (bench.stored(), bench.tally.seen, bench.tally.embedded)


def test_each_row_gets_the_vector_of_its_own_image(tmp_path: Path, tiny_bundle: Path) -> None:
    """Batches, chunks and captions between them mix nothing up."""
    bench = Bench(tmp_path, counting(tiny_bundle), image_batch=3, chunk_rows=5)
    outcomes = [_ready(number, *["red"] * (number % 3)) for number in range(17)]
    for outcome in outcomes:
        bench.assembly.take(outcome)
    bench.assembly.finish()
    stored = bench.collection.latest().vectors(outcome.record.id for outcome in outcomes)
    for outcome in outcomes:
        assert outcome.pixels is not None
        (expected,) = bench.bundle.embed_images(outcome.pixels[None])
        np.testing.assert_allclose(expected, stored[outcome.record.id], atol=2e-3)


def test_a_chunk_is_committed_when_it_has_its_rows(tmp_path: Path, tiny_bundle: Path) -> None:
    """Embedded rows and rejects count together; what waits for the model does not."""
    bench = Bench(tmp_path, counting(tiny_bundle), image_batch=2, chunk_rows=6)
    for number in range(4):
        bench.assembly.take(_ready(number))
    assert 0 == bench.stored()
    bench.assembly.take(REJECT)
    assert 0 == bench.stored()
    bench.assembly.take(REJECT)
    assert 4 == bench.stored()
    assert [REJECT] == bench.collection.rejects()


def test_a_chunk_is_committed_when_its_time_is_up(tmp_path: Path, tiny_bundle: Path) -> None:
    """On a slow machine a kill costs seconds, not a thousand rows; the batch that waits goes with it."""
    bench = Bench(tmp_path, counting(tiny_bundle), image_batch=8, chunk_seconds=0)
    bench.assembly.take(_ready(1))
    assert 1 == bench.stored()


def test_a_stop_keeps_what_went_through_the_model(tmp_path: Path, tiny_bundle: Path) -> None:
    """A commit out of turn writes embedded rows with their captions and leaves waiting pixels alone."""
    bench = Bench(tmp_path, counting(tiny_bundle), image_batch=4)
    for number in range(6):
        bench.assembly.take(_ready(number, "red"))
    bench.assembly.commit()
    assert 4 == bench.stored()
    assert [4] == bench.bundle.batches


def test_rows_with_the_same_image_keep_their_vector(tmp_path: Path, tiny_bundle: Path) -> None:
    """New captions of a stored image cost no inference of the image; vector and row stay."""
    first = Bench(tmp_path, counting(tiny_bundle))
    for number in range(3):
        first.assembly.take(_ready(number, "red"))
    first.assembly.finish()
    before = first.collection.vectors(["0001"])["0001"]
    second = Bench(tmp_path, counting(tiny_bundle))
    second.assembly.take(_ready(1, "blue", pixels=False))
    second.assembly.finish()
    after = second.collection.latest()
    np.testing.assert_array_equal(before, after.vectors(["0001"])["0001"])
    assert [("blue",), ("red",)] == [record.captions for record in (after.get("0001"), after.get("0002")) if record]
    assert ([], 1, 0) == (second.bundle.batches, second.tally.updated, second.tally.embedded)


def test_unchanged_items_clear_their_rejects(tmp_path: Path, tiny_bundle: Path) -> None:
    """An item that is there as it should be is no reject, and costs no version of the items."""
    bench = Bench(tmp_path, counting(tiny_bundle))
    bench.collection.note_rejects([REJECT], [])
    version = bench.collection.version
    bench.assembly.take(Unchanged("r"))
    bench.assembly.finish()
    assert [] == bench.collection.rejects()
    assert (version, 1) == (bench.collection.latest().version, bench.tally.unchanged)


@pytest.mark.parametrize("pixels", [True, False])
def test_few_captions_wait_however_many_an_item_has(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, pixels: bool
) -> None:
    """Captions wait until there are enough for good batches; never those of a whole batch of items beyond that."""
    first = Bench(tmp_path, counting(tiny_bundle))
    for number in range(6):
        first.assembly.take(_ready(number))
    first.assembly.finish()
    waited: list[int] = []
    flush = CaptionStage.flush

    def counted(stage: CaptionStage) -> list[Entry]:
        waited.append(len(stage))
        return flush(stage)

    monkeypatch.setattr(CaptionStage, "flush", counted)
    second = Bench(tmp_path, counting(tiny_bundle), text_batch=1, image_batch=6)
    for number in range(6):
        second.assembly.take(_ready(number, *(f"{number} {place}" for place in range(5)), pixels=pixels))
    second.assembly.finish()
    # eight texts make eight batches of one: two items of five
    assert [2, 2, 2] == [items for items in waited if items]
    assert 30 == second.collection.latest().captions.count_rows()
