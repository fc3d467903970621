"""Pictures for a report."""

from pathlib import Path

from index.publish import publish
from index.searcher import Searcher
from index.sources import open_source
from index.thumbnails import Thumbnails
from models.bundle import Bundle
from tests.index.duplicates.made import photograph, pictured
from tests.index.support import collection_for, run_job
from tests.support.images import encoded
from tests.support.videos import colour_video


def test_there_is_a_bound_to_their_bytes(tmp_path: Path, tiny_bundle: Path) -> None:
    """Pictures are shown until the next would not fit; one that was shown is shown again."""
    files = {f"{seed}.png": encoded(photograph(seed)) for seed in range(3)}
    searcher = pictured(tmp_path, Bundle.open(tiny_bundle), files)
    records = searcher.first(3)
    size = len(Thumbnails(searcher).of(records[0]) or "")

    made = Thumbnails(searcher, max_bytes=size + size // 2)

    assert [True, False, True] == [made.of(each) is not None for each in (records[0], records[1], records[0])]


def test_what_cannot_be_shown_is_nothing(tmp_path: Path, tiny_bundle: Path) -> None:
    """A picture that is gone, or another one now, has none; the report goes on."""
    searcher = pictured(
        tmp_path, Bundle.open(tiny_bundle), {f"{seed}.png": encoded(photograph(seed)) for seed in (0, 1)}
    )
    (tmp_path / "pictures" / "0.png").unlink()
    (tmp_path / "pictures" / "1.png").write_bytes(encoded(photograph(2)))

    made = Thumbnails(searcher)

    assert [None, None] == [made.of(record) for record in searcher.first(2)]


def test_a_video_is_shown_by_a_still(tmp_path: Path, tiny_bundle: Path) -> None:
    """Its file is not decoded, and need not be there."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.mp4").write_bytes(colour_video("red", "blue"))
    bundle = Bundle.open(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    run_job(collection, open_source(str(tmp_path / "source")), bundle)
    publish(collection.latest())
    (tmp_path / "source" / "a.mp4").unlink()
    searcher = Searcher.open(tmp_path, "test")
    record = searcher.record("a.mp4")
    assert record is not None

    assert (Thumbnails(searcher).of(record) or "").startswith("data:image/jpeg")
