"""What keeps a collection quick while it is written to, beside its readers and writers.

Every commit leaves a small file, which each look-up by id has to open until files are merged and the B-tree over ids has
heard of them; so do filters, with the indexes over fields. Merging rewrites small files alone; it is made beside the writers
and only its last step, which swaps files, is a commit like theirs.
"""

import logging
import os
import sys
from pathlib import Path

import lance
import numpy as np
from lance.optimize import Compaction

from index.collection import Collection
from index.errors import CollectionError
from index.fields.indexes import update_field_indexes
from index.ids import update_index
from index.lexical.upkeep import index_texts
from index.versions import remove_old_versions

_log = logging.getLogger("vilem.index")

# Look-ups by id, but for a writer's own, read each file that the B-tree does not know: 0.4 ms of a core a file. A merge costs 0.8 ms a
# file, and is a stall of that length for who writes meanwhile.
MAX_LOOSE = 32
# Files of fewer rows than that are merged with their like: a row is rewritten a few times, and not each second until it is one of
# the last size. A file of as many rows as that is not rewritten, but for many deleted ones.
_TIERS = (256, 2_048, 16_384)
# of the limit, for what was merged before
_OF_MERGED = 4
_NICE = 10


def tidy(collection: Collection, max_loose: int = MAX_LOOSE) -> bool:
    """Merge the small files of recent commits if there are more than *max_loose*, or larger ones a quarter of that; whether there were.

    Readers and writers go on meanwhile. Two may tidy at once: one of them does its work for nothing.
    """
    latest = collection.latest()
    untidy = [(dataset, rows) for dataset in latest.datasets if (rows := _due(dataset, max_loose)) is not None]
    for dataset, rows in untidy:
        _merge(dataset, rows)
    if untidy:
        for dataset, key in latest.keyed:
            update_index(dataset, key, behind=_TIERS[-1])
        index_texts(latest)
        update_field_indexes(latest)
    return bool(untidy)


def clean_up(collection: Collection) -> None:
    """What a job does for its collection at its end: merge small files, and remove old versions that nobody needs.

    What the job was for is done by then: whatever keeps this from being done is told, and left to the next.
    """
    try:
        tidy(collection)
        remove_old_versions(collection.latest())
    except Exception as error:  # noqa: BLE001 - see above
        _log.warning("old files of collection %s are left to the next job: %s", collection.info.name, error)


def _due(dataset: lance.LanceDataset, max_loose: int) -> int | None:
    """Files of fewer rows than that are to be merged; None where there are too few of them."""
    sizes = np.array([fragment.physical_rows for fragment in dataset.get_fragments()], np.int64)
    files = np.bincount(np.searchsorted(_TIERS, sizes, "right"), minlength=len(_TIERS))
    limits = [max_loose, *[max(1, max_loose // _OF_MERGED)] * (len(_TIERS) - 1)]
    due = [rows for rows, there, most in zip(_TIERS, files, limits, strict=False) if there > most]
    return max(due, default=None)


def _merge(dataset: lance.LanceDataset, rows: int) -> None:
    options = {"target_rows_per_fragment": rows, "materialize_deletions_threshold": 0.2, "num_threads": 1}
    plan = Compaction.plan(dataset, options)  # pyright: ignore[reportArgumentType] - its stub misses that dictionary
    made = [task.execute(dataset) for task in plan.tasks]
    if not made:
        return
    try:
        Compaction.commit(dataset, made)
    except (OSError, RuntimeError) as error:
        # a writer changed the same files meanwhile: they are merged the next time
        _log.info("files of %s were not merged: %s", dataset.uri, error)


def main() -> None:
    """Publish the collection in the folder that is given, which removes its old versions: the service's child process.

    One that was pushed to a Milvus is pushed again in place of that, with the token that is read from stdin, and published
    only for its moments. A file of milvus-lite is pushed to by the service itself: it is open there.
    """
    from index.milvus.engine import read_record
    from index.publish import current, publish
    from index.snapshot import read_manifest

    os.nice(_NICE)
    folder = Path(sys.argv[1])
    try:
        collection = Collection.open(folder.parent, folder.name)
        record = read_record(collection.path)
        if record is None or not record.serving:
            publish(collection)
        else:
            _push(collection, record.uri)
            if collection.moments.version != read_manifest(current(collection.path)).moments_version:
                publish(collection)
            clean_up(Collection.open(folder.parent, folder.name))
    except CollectionError as error:
        # of a lease too: whoever holds it publishes at its end
        sys.exit(str(error))


def _push(collection: Collection, uri: str) -> None:
    from index.milvus.push import push
    from index.milvus.target import target_of

    target = target_of(uri)
    if target.file is None:
        push(collection, target, token=sys.stdin.readline().strip())


if __name__ == "__main__":
    main()
