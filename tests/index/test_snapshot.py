"""A snapshot on disk."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.allowed import Allowed
from index.errors import SnapshotAltered, SnapshotError, SnapshotInvalid, SnapshotMissing, SnapshotTooNew
from index.plan import Budget
from index.publish import current, publish
from index.snapshot import MANIFEST_NAME, SCHEMA_VERSION, Snapshot, SnapshotManifest, read_manifest
from tests.index.published import filled, unit_vectors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A published snapshot of twenty items."""
    collection = filled(tmp_path, unit_vectors(20))
    publish(collection)
    return current(collection.path)


def edit(folder: Path, **fields: object) -> None:
    """Change fields of the manifest."""
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_what_was_published_opens(folder: Path) -> None:
    """An opened snapshot finds each of its vectors at its own row id."""
    snapshot = Snapshot.open(folder)

    scores, rowids = snapshot.images.search(unit_vectors(20), 1)

    assert np.allclose(1, scores, atol=2e-3)
    assert np.array_equal(snapshot.images.rowids, rowids[:, 0])
    assert 20 == snapshot.manifest.images.rows


def test_more_hits_than_rows_are_all_rows(folder: Path) -> None:
    """A search for more than there is gives everything, once."""
    _, rowids = Snapshot.open(folder).images.search(unit_vectors(2), 100)

    assert (2, 20) == rowids.shape
    assert 20 == len(set(rowids[0].tolist()))


def test_only_allowed_positions_are_found(folder: Path) -> None:
    """A mask over positions leaves their row ids, and -1 in the place of what is missing."""
    part = Snapshot.open(folder).images
    allowed = np.arange(20) % 4 == 0

    _, rowids = part.search(unit_vectors(2), 8, allowed=Allowed(allowed))

    assert {*part.rowids[allowed].tolist(), -1} == set(rowids[0].tolist())
    assert [-1] * 3 == rowids[1, 5:].tolist()


@pytest.mark.parametrize("name", ["images.faiss", "images.rowids.npy", "texts.faiss", "texts.rowids.npy"])
def test_a_file_without_a_seal_is_not_opened(folder: Path, name: str) -> None:
    """A manifest that lists no checksum for a file it uses is refused: nothing unchecked is served."""
    files = json.loads((folder / MANIFEST_NAME).read_text())["files"]
    edit(folder, files={key: seal for key, seal in files.items() if key != name})

    with pytest.raises(SnapshotInvalid, match=f"does not seal {name}"):
        Snapshot.open(folder)


def test_vectors_beside_are_sealed_and_mapped(tmp_path: Path) -> None:
    """An index that compares candidates again opens with its vectors, and not without their seal."""
    collection = filled(tmp_path, unit_vectors(300))
    publish(collection, budget=Budget(kind="ivf-rabitq"))
    folder = current(collection.path)

    _, rowids = Snapshot.open(folder).images.search(unit_vectors(300)[:5], 1)

    assert Snapshot.open(folder).images.rowids[:5].tolist() == rowids[:, 0].tolist()
    files = json.loads((folder / MANIFEST_NAME).read_text())["files"]
    edit(folder, files={key: seal for key, seal in files.items() if key != "images.vectors.f16"})
    with pytest.raises(SnapshotInvalid, match=r"does not seal images\.vectors\.f16"):
        Snapshot.open(folder)


def test_a_manifest_comes_back_as_it_was_written(folder: Path) -> None:
    """Plan, curve and budget are read as they were written, to the byte."""
    manifest = read_manifest(folder)

    assert SnapshotManifest.model_validate_json(manifest.to_bytes()) == manifest
    assert (folder / MANIFEST_NAME).read_bytes() == manifest.to_bytes()
    assert manifest.images.curve[0].recall == {"images": 1.0, "texts": 1.0}


def test_the_first_schema_still_opens(folder: Path) -> None:
    """A snapshot without kind, curve and budget is searched as before."""
    fields = json.loads((folder / MANIFEST_NAME).read_text())
    for name in ("images", "texts"):
        known = (
            "index_file",
            "rowids_file",
            "factory",
            "rows",
            "parameters",
            "recall_at_10",
            "query_ms",
            "build_seconds",
        )
        fields[name] = {key: fields[name][key] for key in known}
    for name in ("target_recall", "budget", "records_file"):
        del fields[name]
    (folder / MANIFEST_NAME).write_text(json.dumps({**fields, "schema_version": 1}))

    snapshot = Snapshot.open(folder)

    assert (None, [], 1, None) == (
        snapshot.manifest.images.kind,
        snapshot.manifest.images.curve,
        snapshot.manifest.schema_version,
        snapshot.records,
    )
    assert np.array_equal(snapshot.images.rowids, snapshot.images.search(unit_vectors(20), 1)[1][:, 0])


DAMAGE: list[tuple[str, Callable[[Path], object], type[SnapshotError]]] = [
    ("missing file", lambda folder: (folder / "images.faiss").unlink(), SnapshotAltered),
    ("flipped bit", lambda folder: flip(folder / "images.faiss"), SnapshotAltered),
    ("flipped row id", lambda folder: flip(folder / "images.rowids.npy"), SnapshotAltered),
    ("flipped record", lambda folder: flip(folder / "records.arrow"), SnapshotAltered),
    ("unsealed records", lambda folder: edit(folder, records_file="images.copy"), SnapshotInvalid),
    ("other records", lambda folder: edit(folder, records_file="texts.rowids.npy"), SnapshotInvalid),
    ("truncated", lambda folder: (folder / "texts.faiss").write_bytes(b"x"), SnapshotAltered),
    ("no manifest", lambda folder: (folder / MANIFEST_NAME).unlink(), SnapshotMissing),
    ("no JSON", lambda folder: (folder / MANIFEST_NAME).write_text("{"), SnapshotInvalid),
    ("newer", lambda folder: edit(folder, schema_version=SCHEMA_VERSION + 1), SnapshotTooNew),
    ("unknown field", lambda folder: edit(folder, colour="red"), SnapshotInvalid),
    ("other dimension", lambda folder: edit(folder, dim=9), SnapshotInvalid),
]


@pytest.mark.parametrize(("damage", "error"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
def test_damage_is_refused(folder: Path, damage: Callable[[Path], object], error: type[SnapshotError]) -> None:
    """A snapshot that is not what was published is refused, with the reason and what to do."""
    damage(folder)

    with pytest.raises(error, match=r"publish|build|upgrade"):
        Snapshot.open(folder)


def test_sizes_alone_find_truncation(folder: Path) -> None:
    """Without the comparison of contents a truncated file is still refused."""
    (folder / "images.faiss").write_bytes(b"x")

    with pytest.raises(SnapshotAltered):
        Snapshot.open(folder, contents=False)


def test_the_manifest_round_trips(folder: Path) -> None:
    """The manifest's bytes are what was written."""
    assert (folder / MANIFEST_NAME).read_bytes() == read_manifest(folder).to_bytes()
