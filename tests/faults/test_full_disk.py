"""A disk that fills up, a real one of a few megabytes: what was committed stays, what was served goes on being served."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from index.collection import Collection
from index.errors import StorageFull
from index.publish import SNAPSHOTS, current, publish
from index.snapshot import Snapshot
from index.sources import open_source
from models.bundle import Bundle
from models.sealed import STAGING_PREFIX
from service.app import create_app
from service.settings import Settings
from tests.index.published import entries, filled, unit_vectors
from tests.index.support import collection_for, run_job, stored_ids, write_pictures, write_table
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import colour_picture, make_colours

ROWS, MORE, DIM = 200, 1_500, 64
DISK_KB = 4_096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of DISK_KB; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here (needs root): {mounted.stderr.strip()}")
    yield folder
    # lazily: memory-mapped files of a snapshot may still be open
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, leave_kb: int) -> Path:
    """Take all space but so much; returns the file that takes it."""
    ballast = disk / "ballast"
    free = int(subprocess.run(["stat", "-f", "-c", "%a", str(disk)], capture_output=True, text=True).stdout)
    ballast.write_bytes(b"\0" * (free * 4096 - leave_kb * 1024))
    return ballast


@pytest.mark.parametrize("leave_kb", [0, 16, 40])
def test_publishing_onto_a_full_disk(disk: Path, leave_kb: int) -> None:
    """The error says that the disk is full, nothing half-written stays, the old snapshot is whole; with space it goes on."""
    vectors = unit_vectors(ROWS, DIM)
    collection = filled(disk, vectors)
    publish(collection)
    before = current(collection.path)
    ballast = fill(disk, leave_kb)

    with pytest.raises(StorageFull, match="old snapshot is still served"):
        publish(collection)

    assert before == current(collection.path)
    assert ROWS == Snapshot.open(before).images.index.rows
    assert not [path for path in (collection.path / SNAPSHOTS).iterdir() if path.name.startswith(STAGING_PREFIX)]
    ballast.unlink()
    assert before.name != publish(collection).id


def test_what_killed_publications_left_makes_room(disk: Path) -> None:
    """A disk that nothing but the remains of killed publications fill is publishable at once: they go first."""
    collection = filled(disk, unit_vectors(ROWS, DIM))
    publish(collection)
    remains = collection.path / SNAPSHOTS / f"{STAGING_PREFIX}v1-dead"
    remains.mkdir()
    fill(disk, 0).rename(remains / "images.faiss")

    publish(collection)

    assert not remains.exists()


def test_writing_rows_onto_a_full_disk(disk: Path) -> None:
    """A commit that finds no space leaves the collection as it was, readable to the last row."""
    collection = filled(disk, unit_vectors(ROWS, DIM))
    fill(disk, 16)

    with pytest.raises(OSError, match="space"):
        collection.add(entries(unit_vectors(MORE, DIM, seed=1), first=ROWS))

    assert ROWS == Collection.open(disk, "test").count()


def test_the_job_resumes_once_there_is_space(disk: Path, tmp_path: Path, tiny_bundle: Path) -> None:
    """The job stops with a clear error and goes on where it stopped: every row once."""
    names = write_pictures(tmp_path / "images", range(64))
    rows = [{"path": f"images/{name}", "captions": [f"dog {name}"]} for name in names]
    source = open_source(str(write_table(tmp_path / "corpus.jsonl", rows)))
    bundle = Bundle.open(tiny_bundle)
    collection = collection_for(bundle, disk)
    ballast = fill(disk, 24)

    with pytest.raises(StorageFull, match="run the same command again"):
        run_job(collection, source, bundle)
    ballast.unlink()
    summary = run_job(Collection.open(disk, "test"), source, bundle)

    assert len(names) == summary.embedded + summary.unchanged
    assert [f"images/{name}" for name in names] == stored_ids(Collection.open(disk, "test"))


def test_live_writes_onto_a_full_disk(disk: Path, tiny_bundle: Path) -> None:
    """A service tells of the full disk for each item, goes on answering, and writes again once there is space."""
    make_colours(disk, tiny_bundle, shades=1)
    settings = Settings(home=disk, publish_rows=0)
    with TestClient(create_app(settings), base_url=ADDRESS, raise_server_exceptions=False) as client:
        wait_until_ready(client)
        ballast = fill(disk, 0)
        items = [{"id": f"new-{number}", "image": upload(number)} for number in range(4)]

        full = client.put("/v1/collections/colours/items", json={"items": items})
        found = client.post("/v1/collections/colours/search", json={"query": {"text": "red"}, "limit": 100})

        assert 200 == full.status_code
        assert {"/problems/storage-full"} == {each["problem"]["type"] for each in full.json()["results"]}
        assert 8 == len(found.json()["hits"])
        ballast.unlink()
        again = client.put("/v1/collections/colours/items", json={"items": items})
        assert ["created"] * 4 == [each["status"] for each in again.json()["results"]]
    assert 12 == Collection.open(disk / "collections", "colours").count()


def upload(number: int) -> str:
    """A picture as a request has it."""
    return base64.b64encode(colour_picture("green", number)).decode()
