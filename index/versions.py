"""Versions of a collection's datasets: which are kept, and the removal of the others with their files.

Every commit makes a version. A snapshot names the versions that it shows, and a reader finds what was written since by
comparing with them: those are tagged, which keeps them. A job that reads for long tags what it reads, and lies under a lock
that tells whether it lives. All others go a while after another took their place.
"""

import fcntl
import os
import uuid
from collections.abc import Generator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lance

from index.collection import Collection
from index.generations import served
from index.tags import tags_of, untag
from index.uploads import SCHEME, UPLOADS, remove_unnamed
from models.sealed import STAGING_PREFIX

# a request that was begun, a job's last look: nobody holds an untagged version for so long after another took its place
KEPT_FOR = timedelta(hours=1)
_SNAPSHOT_TAG, _READING_TAG = "snapshot-", "reading-"
# no version is so old
_AGES = timedelta(days=36_500)


def keep_versions(collection: Collection, snapshot_id: str) -> None:
    """Keep the versions that *collection* sees for as long as the snapshot of that id is there; again does no harm."""
    tag = f"{_SNAPSHOT_TAG}{snapshot_id}"
    for dataset in collection.datasets:
        if tag not in tags_of(dataset):
            dataset.tags.create(tag, dataset.version)


@contextmanager
def held(collection: Collection) -> Generator[None]:
    """Keep the versions that *collection* sees for as long as a job reads them, whatever is published or cleaned up beside it.

    Where the job may only read, nothing can be held: what it opened stays for `KEPT_FOR`.
    """
    if not os.access(collection.home, os.W_OK):
        yield
        return
    tag = f"{_READING_TAG}{uuid.uuid4().hex[:12]}"
    datasets = collection.datasets
    with _living(_life_of(collection.home, tag)):
        for dataset in datasets:
            dataset.tags.create(tag, dataset.version)
        try:
            yield
        finally:
            for dataset in datasets:
                untag(dataset, tag)


@contextmanager
def held_if_possible(collection: Collection) -> Generator[None]:
    """The same for whoever only looks: on a full disk, or in folders of somebody else's, it goes on without."""
    with ExitStack() as kept:
        with suppress(OSError):
            kept.enter_context(held(collection))
        yield


def release_versions(collection: Collection, snapshot_ids: AbstractSet[str]) -> None:
    """Let go of what was kept for snapshots that are not among *snapshot_ids*, and for jobs that were killed.

    The caller holds the lease: nobody else publishes.
    """
    kept = {f"{_SNAPSHOT_TAG}{snapshot_id}" for snapshot_id in snapshot_ids}
    for dataset in collection.datasets:
        for tag in tags_of(dataset):
            if tag.startswith(_SNAPSHOT_TAG) and tag not in kept:
                untag(dataset, tag)
    _release_killed(collection)


def remove_old_versions(collection: Collection, kept_for: timedelta = KEPT_FOR) -> int:
    """Remove versions that nothing keeps, with the files and uploads of them alone; not what was the newest within *kept_for*.

    Returns:
        Bytes removed.
    """
    before = datetime.now(UTC) - kept_for
    _release_killed(collection)
    removed = sum(_clean(dataset, before) for dataset in collection.datasets)
    # what another generation has put in its place names uploads of its own
    if (collection.home / UPLOADS).is_dir() and served(collection.home) == collection.generation:
        removed += remove_unnamed(collection.home, _named(collection.items, before), before)
    return removed


def _clean(dataset: lance.LanceDataset, before: datetime) -> int:
    # An old version may have been the newest until just now, so not its age counts: what was the newest then stays.
    stale = _made_by(dataset, before)[:-1]
    if stale:
        stats = dataset.cleanup_old_versions(versions=stale, error_if_tagged_old_versions=False)
    else:
        # what killed writers left is removed all the same
        stats = dataset.cleanup_old_versions(older_than=_AGES, error_if_tagged_old_versions=False)
    return stats.bytes_removed


def _made_by(dataset: lance.LanceDataset, moment: datetime) -> list[int]:
    """The versions that were there at that moment and are still, oldest first."""
    made = ((each["version"], each["timestamp"]) for each in dataset.versions())
    # its stub has them as numbers too
    # local times: of the two that the end of summer time brings, the later
    return sorted(
        version
        for version, at in made
        if isinstance(at, datetime) and at.replace(fold=1).timestamp() <= moment.timestamp()
    )


def _named(items: lance.LanceDataset, before: datetime) -> set[str]:
    """Uploads that may be asked for: of the newest items, of versions that are kept, and of what was the newest *before*.

    One that was named in between was stored since: it is too young to be removed.
    """
    kept = {*tags_of(items).values()}
    named = _uploads_of(items.checkout_version(items.latest_version))
    for version in {*kept, *_made_by(items, before)[-1:]}:
        try:
            named |= _uploads_of(items.checkout_version(version))
        except OSError as error:
            # let go of meanwhile, and removed; whatever else it is must not look like a version that names nothing
            if "not found" not in str(error).lower():
                raise
    return named


def _uploads_of(items: lance.LanceDataset) -> set[str]:
    return set(items.to_table(columns=["uri"], filter=f"starts_with(uri, '{SCHEME}')")["uri"].to_pylist())


def _life_of(home: Path, tag: str) -> Path:
    """The file that a job holds locked while it reads under that tag; named so that a killed one's is removed."""
    return home / f"{STAGING_PREFIX}{tag}"


@contextmanager
def _living(path: Path) -> Generator[None]:
    while True:
        with path.open("ab") as file:
            # a file system without locks: nobody takes it for dead there
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            # else it was taken for abandoned before it was locked
            if os.fstat(file.fileno()).st_nlink:
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return


def _release_killed(collection: Collection) -> None:
    """Let go of what is held by jobs that live no more."""
    for dataset in collection.datasets:
        for tag in tags_of(dataset):
            if tag.startswith(_READING_TAG) and not _lives(_life_of(collection.home, tag)):
                untag(dataset, tag)


def _lives(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        # locked; or nobody can tell
        return True
    return False
