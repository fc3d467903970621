"""Publishing under kill -9: a reader finds the old snapshot or the new one, whole, and the next publication mends the rest."""

import signal
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.publish import KEEP, SNAPSHOTS, current, publish
from index.snapshot import Snapshot
from models.sealed import STAGING_PREFIX
from tests.index.published import entries, filled, unit_vectors
from tests.support.forked import run_code

OLD, NEW = 40, 60

# Publishes, and dies by SIGKILL at the n-th thing it does to the collection's files. The kernel is told by an audit
# hook what Python does; what FAISS writes by itself is between two of these. Prints each, so that a test knows them.
CHILD = """
import os, signal, sys
from pathlib import Path
from index.collection import Collection
from index.publish import publish

root, number = Path(sys.argv[1]), int(sys.argv[2])
watched = str(root / "test")
count = 0

def watch(event, arguments):
    global count
    if event == "open":
        path, mode, flags = arguments
        does = isinstance(path, str) and path.startswith(watched) and (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    else:
        does = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")
        # rmtree names what it removes relative to an open folder
        inside = event in ("os.remove", "os.rmdir") and arguments[1] != -1
        does = does and (inside or str(arguments[0]).startswith(watched))
    if does:
        count += 1
        print(event, flush=True)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

collection = Collection.open(root, "test")
sys.addaudithook(watch)
publish(collection)
"""


def _prepared(root: Path) -> Collection:
    """A collection with a published snapshot of OLD items, and NEW items in all."""
    vectors = unit_vectors(NEW)
    collection = filled(root, vectors[:OLD])
    publish(collection)
    collection.add(entries(vectors[OLD:], first=OLD))
    return collection


def _killed_publication(root: Path, number: int) -> list[str]:
    """What a publication did up to its *number*-th touch of the files, where it died; 0 = it lives."""
    status, said = run_code(CHILD, str(root), str(number)).end()
    assert (-signal.SIGKILL if number else 0) == status
    return said.split()


def _rows_served(collection: Collection) -> int:
    """Open what is served, as a service would, checksums and all, and let every row find itself."""
    snapshot = Snapshot.open(current(collection.path))
    vectors = unit_vectors(NEW)[: snapshot.images.index.rows]
    scores, _ = snapshot.images.search(vectors, 1)
    np.testing.assert_allclose(1, scores[:, 0], atol=2e-3)
    return len(vectors)


@pytest.fixture(scope="module")
def touches(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Everything a publication that lives does to the files, in order."""
    root = tmp_path_factory.mktemp("whole")
    collection = _prepared(root)
    done = _killed_publication(root, 0)
    assert NEW == _rows_served(collection)
    return done


def test_the_moments_are_known(touches: list[str]) -> None:
    """A publication writes files, renames the snapshot into place and then the alias: two renames, the last things."""
    assert 2 == touches.count("os.rename")
    assert touches.count("open") >= 3
    assert "os.rename" == touches[-1]


# the last moment but so many: 0 is the renaming of the alias, 1 the writing of its file, 2 the renaming of the snapshot
@pytest.mark.parametrize("before_last", [0, 1, 2, 3, 4, 5, 6])
def test_a_killed_publication_leaves_the_old_one(tmp_path: Path, touches: list[str], before_last: int) -> None:
    """Killed at any moment before the alias is renamed: the old snapshot is served; the next run publishes the new."""
    collection = _prepared(tmp_path)

    _killed_publication(tmp_path, len(touches) - before_last)

    assert OLD == _rows_served(collection)
    publish(Collection.open(tmp_path, "test"))
    assert NEW == _rows_served(collection)
    left = sorted(path.name for path in (collection.path / SNAPSHOTS).iterdir())
    assert len(left) <= KEEP
    assert not any(name.startswith(STAGING_PREFIX) for name in left)
    assert not list(collection.path.glob(f"{STAGING_PREFIX}*"))


def test_killed_while_old_snapshots_are_removed(tmp_path: Path) -> None:
    """Killed at any touch of a file after the new snapshot is served: it is served, and the next publication succeeds."""
    collection = filled(tmp_path, unit_vectors(NEW), captions=0)
    for _ in range(KEEP):
        publish(collection)
    touches = _killed_publication(tmp_path, 0)
    # the alias, then the oldest snapshot: renamed, and its manifest, index, row ids and records removed one by one
    assert ["os.rename", "os.rename", "shutil.rmtree", *["os.remove"] * 4, "os.rmdir"] == touches[-8:]

    for number in range(len(touches) - 6, len(touches) + 1):
        _killed_publication(tmp_path, number)

        assert NEW == _rows_served(collection)
        served = current(collection.path).name
        assert served != publish(Collection.open(tmp_path, "test")).id
        left = sorted(path.name for path in (collection.path / SNAPSHOTS).iterdir())
        assert KEEP == len(left), left
        assert not any(name.startswith(STAGING_PREFIX) for name in left)


def test_killed_over_and_over(tmp_path: Path) -> None:
    """Ten publications killed at moments of the clock leave every item served, and no more than a bounded rest."""
    collection = _prepared(tmp_path)

    for attempt in range(10):
        child = run_code(CHILD, str(tmp_path), "0")
        # it has begun to write; a moment later each time
        child.stdout.readline()
        child.process.join(0.01 * attempt)
        child.process.kill()
        child.end()
        assert _rows_served(collection) in (OLD, NEW)

    publish(collection)
    assert NEW == _rows_served(collection)
    assert len(list((collection.path / SNAPSHOTS).iterdir())) <= KEEP
