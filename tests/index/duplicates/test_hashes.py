"""Hashes beside a collection."""

from pathlib import Path

import lance
import numpy as np
import pytest
from PIL import Image

from index.duplicates import hashes as module
from index.duplicates.groups import FOLDER
from index.duplicates.hashes import HASHES, hashes_of
from index.duplicates.perceptual import perceptual_hash
from index.duplicates.rows import Places
from index.neighbours import silent
from index.searcher import Searcher
from models.bundle import Bundle
from tests.index.duplicates.made import photograph, pictured
from tests.support.images import encoded


@pytest.fixture
def files() -> dict[str, bytes]:
    """Five pictures, of which the last two are one, and a plain one."""
    found = {f"{seed}.png": encoded(photograph(seed)) for seed in range(4)}
    return {**found, "copy.png": found["3.png"], "plain.png": encoded(Image.new("RGB", (40, 30), (9, 9, 9)))}


@pytest.fixture
def searcher(tmp_path: Path, tiny_bundle: Path, files: dict[str, bytes]) -> Searcher:
    """A published collection of those."""
    return pictured(tmp_path, Bundle.open(tiny_bundle), files)


def _by_id(searcher: Searcher) -> dict[str, int | None]:
    places = Places.of(searcher.view.collection)
    found = hashes_of(searcher, places, silent)
    records = searcher.view.collection.records_at(places.rows.tolist())
    values = zip(records, found.values.tolist(), found.known.tolist(), strict=True)
    return {record.id: value if known else None for record, value, known in values if record}


def _stored(searcher: Searcher) -> list[str]:
    return lance.dataset(searcher.view.collection.path / FOLDER / HASHES).to_table()["sha256"].to_pylist()


def test_every_picture_gets_its_own(searcher: Searcher, files: dict[str, bytes]) -> None:
    """Each item has the hash of its file; a plain picture has none; a copy is hashed once for both."""
    assert {item: perceptual_hash(data) for item, data in files.items()} == _by_id(searcher)
    assert len(set(files.values())) == len(_stored(searcher))


def test_they_are_computed_once(searcher: Searcher, tmp_path: Path) -> None:
    """A second look reads no file: with the pictures gone it tells the same."""
    first = _by_id(searcher)
    for path in (tmp_path / "pictures").iterdir():
        path.unlink()

    assert first == _by_id(searcher)


def test_what_was_stopped_goes_on(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted between two commits, what was committed stays, and the next look computes the rest alone."""
    monkeypatch.setattr(module, "_CHUNK", 2)
    told: list[int] = []

    def stop(_: str, done: int, __: int) -> None:
        told.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hashes_of(searcher, Places.of(searcher.view.collection), stop)
    assert 2 == len(_stored(searcher))

    _by_id(searcher)

    assert len(set(_stored(searcher))) == len(_stored(searcher)) == 5


def test_what_cannot_be_read_is_counted_and_tried_again(searcher: Searcher, tmp_path: Path) -> None:
    """A file that is gone or changed has no hash this time; back again, it has."""
    lost = tmp_path / "pictures" / "1.png"
    data = lost.read_bytes()
    lost.write_bytes(b"something else")
    places = Places.of(searcher.view.collection)

    without = hashes_of(searcher, places, silent)
    lost.write_bytes(data)
    after = hashes_of(searcher, places, silent)

    assert (1, 0) == (without.unreadable, after.unreadable)
    assert without.known.sum() + 1 == after.known.sum()
    assert (without.values[without.known] == after.values[without.known]).all()
    assert np.int64 == after.values.dtype
