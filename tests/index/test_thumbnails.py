"""Pictures for a report."""

from pathlib import Path

from index.thumbnails import Thumbnails
from models.bundle import Bundle
from tests.index.duplicates.made import photograph, pictured
from tests.support.images import encoded


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
