"""How the videos of a generation were taken."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CollectionInvalid
from index.moments import moments_key
from index.samplings import SAMPLINGS_FILE, commonest_sampling, note_samplings, noted_samplings, sampling_of
from index.schema import Record, Video
from models.video.sampling import Sampling
from tests.index.support import empty_collection
from tests.index.test_moments import video_entry

USUAL, SELDOM, FEW = Sampling(), Sampling(every=10.0), Sampling(most=3, still_side=64)
ways = st.builds(Sampling, st.floats(0.01, 1e6), st.integers(1, 4096), st.integers(1, 4096))


def taken(sampling: Sampling | None, sha256: str = "ab" * 32) -> Record:
    """A stored video that was taken so; None = a picture."""
    video = None if sampling is None else Video(4.0, 2, moments_key(sha256, sampling))
    return Record("a", "file:///a.mp4", sha256, 8, 8, video=video)


def test_the_usual_way_needs_no_file(tmp_path: Path) -> None:
    """It is known of every generation, noted or not, and nothing is written for it."""
    assert [USUAL] == noted_samplings(tmp_path)

    note_samplings(tmp_path, [USUAL, USUAL])

    assert [USUAL] == noted_samplings(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_each_way_is_noted_once(tmp_path: Path) -> None:
    """What jobs were told one after the other is all known, in their order."""
    note_samplings(tmp_path, [SELDOM])
    written = (tmp_path / SAMPLINGS_FILE).stat().st_mtime_ns
    note_samplings(tmp_path, [SELDOM, USUAL])
    assert written == (tmp_path / SAMPLINGS_FILE).stat().st_mtime_ns

    note_samplings(tmp_path, [FEW, SELDOM])

    assert [USUAL, SELDOM, FEW] == noted_samplings(tmp_path)


@given(st.lists(ways, unique=True, min_size=1, max_size=5), st.data())
def test_a_row_tells_its_way(known: list[Sampling], data: st.DataObject) -> None:
    """Of several ways the one that a video was taken by is found by its key alone."""
    way = data.draw(st.sampled_from(known))

    assert way == sampling_of(taken(way), known)


def test_a_row_of_another_way_tells_none() -> None:
    """Neither a picture nor a video that was taken by none of them has one."""
    assert sampling_of(taken(None), [USUAL, SELDOM]) is None
    assert sampling_of(taken(FEW), [USUAL, SELDOM]) is None
    assert sampling_of(taken(FEW), []) is None


def test_a_damaged_note_is_refused(tmp_path: Path) -> None:
    """What jobs were told is believed as it was written only; the message says what to do."""
    note_samplings(tmp_path, [SELDOM])
    file = tmp_path / SAMPLINGS_FILE
    file.write_text(file.read_text().replace("10.0", "11.0"))

    for read in (lambda: noted_samplings(tmp_path), lambda: note_samplings(tmp_path, [FEW])):
        with pytest.raises(CollectionInvalid, match="remove it"):
            read()


def test_most_videos_tell_how_the_next_are_taken(tmp_path: Path) -> None:
    """Of the known ways the commonest one; without videos, or any that is known, what a job was told last."""
    collection = empty_collection(tmp_path)
    assert SELDOM == commonest_sampling(collection.items, [USUAL, SELDOM])

    for number, way in enumerate([FEW, FEW, USUAL, SELDOM, Sampling(every=7)]):
        sha256 = f"{number}" * 64
        entry = video_entry(number, [1.0], moments_key(sha256, way))
        collection.add([replace(entry, record=replace(entry.record, sha256=sha256))])

    assert FEW == commonest_sampling(collection.items, [USUAL, FEW, SELDOM])
    assert USUAL == commonest_sampling(collection.items, [USUAL, SELDOM])
    assert USUAL == commonest_sampling(collection.items, [USUAL])
    assert Sampling(most=9) == commonest_sampling(collection.items, [Sampling(most=8), Sampling(most=9)])
