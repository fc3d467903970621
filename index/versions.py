"""Versions of a collection's datasets: which are kept, and the removal of the others with their files.

Every commit makes a version. A snapshot names the versions that it shows, and a reader finds what was written since by
comparing with them: those are tagged, which keeps them. All others go after a while.
"""

import uuid
from collections.abc import Generator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import lance

from index.collection import Collection
from index.uploads import remove_unnamed

# a request that was begun, a job's last look: nobody holds an untagged version for so long
KEPT_FOR = timedelta(hours=1)
_SNAPSHOT_TAG, _READING_TAG = "snapshot-", "reading-"


def keep_versions(collection: Collection, snapshot_id: str) -> None:
    """Keep the versions that *collection* sees for as long as the snapshot of that id is there; again does no harm."""
    tag = f"{_SNAPSHOT_TAG}{snapshot_id}"
    for dataset in collection.datasets:
        if tag not in dataset.tags.list():
            dataset.tags.create(tag, dataset.version)


@contextmanager
def held(collection: Collection) -> Generator[None]:
    """Keep the versions that *collection* sees for as long as a job reads them."""
    tag = f"{_READING_TAG}{uuid.uuid4().hex[:12]}"
    datasets = collection.datasets
    for dataset in datasets:
        dataset.tags.create(tag, dataset.version)
    try:
        yield
    finally:
        for dataset in datasets:
            dataset.tags.delete(tag)


def release_versions(collection: Collection, snapshot_ids: AbstractSet[str]) -> None:
    """Let go of what was kept for snapshots that are not among *snapshot_ids*, and for jobs.

    The caller holds the lease: what a job still holds, it was killed with.
    """
    kept = {f"{_SNAPSHOT_TAG}{snapshot_id}" for snapshot_id in snapshot_ids}
    for dataset in collection.datasets:
        for tag in dataset.tags.list():
            if tag.startswith((_SNAPSHOT_TAG, _READING_TAG)) and tag not in kept:
                dataset.tags.delete(tag)


def remove_old_versions(collection: Collection, kept_for: timedelta = KEPT_FOR) -> int:
    """Remove versions older than *kept_for* that nothing keeps, with the files and uploads of them alone; bytes removed."""
    removed = sum(_clean(dataset, kept_for) for dataset in collection.datasets)
    return removed + remove_unnamed(collection.home, collection.upload_names(), datetime.now(UTC) - kept_for)


def _clean(dataset: lance.LanceDataset, kept_for: timedelta) -> int:
    return dataset.cleanup_old_versions(older_than=kept_for, error_if_tagged_old_versions=False).bytes_removed
