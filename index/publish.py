"""Publishing: a snapshot is built beside, checked, renamed into place, and named by the alias file `current`.

A reader follows the alias, so it sees the old snapshot or the new one. A kill at any moment leaves one of the two; what
else it leaves is removed by the next publication.
"""

import logging
import math
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from index.build import build_moments, build_parts
from index.collection import Collection
from index.disk import full_disk_named
from index.errors import SelfCheckFailed, SnapshotError, SnapshotMissing
from index.generations import remove_abandoned_files
from index.gpu.device import Device, Gpus, gpus_for
from index.lease import lease
from index.lexical.upkeep import index_texts
from index.maintenance import clean_up
from index.plan import RECALL, Budget
from index.records import RECORDS_FILE, write_records
from index.snapshot import MANIFEST_NAME, LoadedPart, Snapshot, SnapshotManifest, read_manifest
from index.vectors import unit
from index.versions import keep_versions, release_versions
from models.sealed import STAGING_PREFIX, SealBroken, seal_files, staged, verify, write_atomically

_log = logging.getLogger("vilem.index")

SNAPSHOTS = "snapshots"
ALIAS = "current"
TARGET_RECALL = RECALL
# vectors of what will be asked, (n, d) float32, where they were given: the next publication is tuned on them too
QUERIES_FILE = "queries.npy"
# The served one and two to go back to. A reader that still has an older one open keeps its mapped files.
KEEP = 3

_CANARIES = 64
# a graph's vectors are of half precision, its queries are not
_SCORE_SLACK = 1e-3
_FREE_SOME = "free some and publish again"


def publish(
    collection: Collection,
    *,
    target_recall: float | None = None,
    budget: Budget | None = None,
    device: Device = "auto",
    queries: np.ndarray | None = None,
) -> SnapshotManifest:
    """Index the collection as it is now and make that the snapshot that is served; then old versions go (`clean_up`).

    Args:
        collection: at any version.
        target_recall: recall@10 that the index must reach; as the served snapshot was asked for if it is left out.
        budget: what may be spent on it; as the served snapshot was given if it is left out.
        device: what learns and builds it (`index.gpu`); the snapshot opens on any machine.
        queries: (n, d) float32 vectors of what will be asked, to tune it on too, some hundreds; those of the served
            snapshot if it is left out, none if n = 0.

    Raises:
        GpuMissing, GpuFailed: "gpu", and there is none, or it cannot do it.
        PlanImpossible: no index fits the budget; the old snapshot goes on serving.
        SelfCheckFailed: the new index does not find its own vectors, or too few of the true neighbours; the old
            snapshot goes on serving.
        LeaseHeld: another job writes the collection.
        GenerationChanged: its model is served no more.
        StorageFull: the disk is full; the old snapshot goes on serving.
    """
    served = "; the old snapshot is still served" if (collection.path / ALIAS).exists() else ""
    with full_disk_named(collection.path, lambda: _FREE_SOME + served), lease(collection.home, "publishing"):
        collection.expect_served()
        manifest = publish_held(collection, target_recall=target_recall, budget=budget, device=device, queries=queries)
        clean_up(collection)
        return manifest


def publish_held(
    collection: Collection,
    *,
    target_recall: float | None = None,
    budget: Budget | None = None,
    device: Device = "auto",
    queries: np.ndarray | None = None,
) -> SnapshotManifest:
    """As `publish`, by a job that holds the lease on the collection, or on its generations and this is one that it builds.

    Raises:
        SelfCheckFailed, PlanImpossible: as `publish`.
    """
    gpus = gpus_for(device)
    served_recall, served_budget = wishes(collection.path)
    wanted = (
        served_recall if target_recall is None else target_recall,
        served_budget if budget is None else budget,
        _kept_queries(collection) if queries is None else unit(queries),
    )
    # first: what killed publications left may be what fills the disk
    _remove_unfinished(collection.path)
    remove_abandoned_files(collection.home)
    index_texts(collection)
    # in a turn: else captions could be counted whose item a writer is about to commit, and that no build would list
    with collection.turn():
        pinned = collection.latest()
        snapshot_id = f"v{pinned.version}-{uuid.uuid4().hex[:8]}"
        # what is written while the index is built is found by comparing with them
        keep_versions(pinned, snapshot_id)
    with staged(pinned.path / SNAPSHOTS / snapshot_id) as folder:
        manifest = _write(pinned, snapshot_id, folder, *wanted, gpus)
        _self_check(Snapshot.open(folder), pinned, wanted[0])
    write_atomically(pinned.path / ALIAS, f"{snapshot_id}\n".encode())
    collect_garbage(pinned.path)
    release_versions(pinned, {folder.name for folder in (pinned.path / SNAPSHOTS).iterdir()})
    return manifest


def wishes(path: Path) -> tuple[float, Budget]:
    """Recall and budget that the served snapshot of the generation in folder *path* was made for, or what is usual."""
    try:
        manifest = read_manifest(current(path))
    except SnapshotError:
        # damaged or gone: what comes in its place is made anew
        return TARGET_RECALL, Budget()
    return manifest.target_recall or TARGET_RECALL, manifest.budget


def current(path: Path) -> Path:
    """Folder of the snapshot that is served of the generation of a collection in folder *path*.

    Raises:
        SnapshotMissing: nothing was published yet.
    """
    try:
        name = (path / ALIAS).read_text().strip()
    except FileNotFoundError as error:
        raise SnapshotMissing(
            f"collection {path.name!r} was never published: run `vilem index build` to its end, or `vilem index publish`"
        ) from error
    return path / SNAPSHOTS / name


def collect_garbage(path: Path, keep: int = KEEP) -> None:
    """Remove what killed publications left and all but the newest *keep* snapshots, never the one that is served.

    The caller holds the lease: what is unfinished is nobody's work.
    """
    served = current(path)
    others = [folder for folder in (path / SNAPSHOTS).iterdir() if folder != served and folder.is_dir()]
    finished = [folder for folder in others if (folder / MANIFEST_NAME).is_file()]
    finished.sort(key=lambda folder: (folder / MANIFEST_NAME).stat().st_mtime_ns, reverse=True)
    for folder in {*others} - {*finished[: keep - 1]}:
        if not folder.name.startswith(STAGING_PREFIX):
            # killed half way through its removal, it must not look like a snapshot
            folder.rename(folder.with_name(f"{STAGING_PREFIX}{folder.name}"))
    _remove_unfinished(path)


def _remove_unfinished(path: Path) -> None:
    for left in (path / SNAPSHOTS).glob(f"{STAGING_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


def _kept_queries(collection: Collection) -> np.ndarray:
    """What the served snapshot was tuned on beside its own vectors, (n, d); damaged or gone, there are none."""
    none = np.zeros((0, collection.info.dim), np.float32)
    try:
        folder = current(collection.path)
        seal = read_manifest(folder).files.get(QUERIES_FILE)
        if seal is None:
            return none
        verify(folder, {QUERIES_FILE: seal})
        return np.load(folder / QUERIES_FILE, allow_pickle=False)
    except SnapshotMissing:
        return none
    except (SnapshotError, SealBroken, OSError) as error:
        _log.warning("texts that %s was tuned on are lost, give them again: %s", collection.info.name, error)
        return none


def _write(
    collection: Collection,
    snapshot_id: str,
    folder: Path,
    target_recall: float,
    budget: Budget,
    queries: np.ndarray,
    gpus: Gpus | None,
) -> SnapshotManifest:
    images, texts = build_parts(
        collection, folder, target_recall=target_recall, budget=budget, gpus=gpus, queries=queries
    )
    moments = build_moments(collection, folder, target_recall=target_recall, budget=budget, gpus=gpus, queries=queries)
    if len(queries):
        np.save(folder / QUERIES_FILE, queries)
    write_records(collection.items, folder / RECORDS_FILE)
    manifest = SnapshotManifest(
        id=snapshot_id,
        collection=collection.info.name,
        items_version=collection.version,
        captions_version=collection.captions_version,
        bundle_digest=collection.info.bundle_digest,
        bundle_name=collection.info.bundle_name,
        dim=collection.info.dim,
        images=images,
        texts=texts,
        moments_version=collection.moments.version,
        moments=moments,
        target_recall=target_recall,
        budget=budget,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        files=seal_files(folder),
        records_file=RECORDS_FILE,
    )
    (folder / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    return manifest


def _self_check(snapshot: Snapshot, collection: Collection, target_recall: float) -> None:
    """Stored vectors must find themselves, and the measured recall must reach the target."""
    manifest = snapshot.manifest
    for part in (manifest.images, manifest.texts, manifest.moments):
        if part is not None and part.recall_at_10 < target_recall:
            raise SelfCheckFailed(
                f"{part.index_file} finds {part.recall_at_10:.1%} of the true neighbours, {target_recall:.0%} are "
                f"wanted: the old snapshot is still served; lower the target, `vilem index publish {manifest.collection} "
                f"--recall {math.floor(part.recall_at_10 * 100) / 100}`"
            )
    _find_themselves(snapshot.images, collection.item_vectors())
    if snapshot.texts is not None:
        _find_themselves(snapshot.texts, collection.caption_vectors())
    if snapshot.moments is not None:
        _find_themselves(snapshot.moments, collection.moments.vectors(collection.items))


def _find_themselves(part: LoadedPart, stored: Iterator[tuple[np.ndarray, np.ndarray]]) -> None:
    # one batch from the front is enough: the index is one file, sealed as a whole
    for rowids, vectors in islice(stored, 1):
        chosen = slice(None, None, max(1, len(rowids) // _CANARIES))
        canaries = unit(vectors[chosen])
        scores, found = part.search(canaries, 1)
        own = (canaries**2).sum(axis=1)
        lost = (found[:, 0] != rowids[chosen]) & (scores[:, 0] < own - _SCORE_SLACK)
        if lost.any():
            raise SelfCheckFailed(
                f"row {rowids[chosen][np.flatnonzero(lost)[0]]} does not find itself in the new index: the old snapshot "
                "is still served; build again, and report this if it happens twice"
            )
