"""In what a published index falls short of what was wanted, as far as it was measured: told, not refused.

Too low a recall is refused (`index.publish`). Milliseconds depend on the machine, and what texts find cannot be measured
where there are none: who publishes is told both, and so is who asks later, because it is told of the manifest alone.
"""

from collections.abc import Iterator
from math import floor

from index.snapshot import IndexPart, SnapshotManifest

# kinds of query that people write
_WRITTEN = {"texts", "queries"}


def shortfalls(manifest: SnapshotManifest) -> list[str]:
    """Sentences for people, each with what can be done; none where everything is as it was wanted."""
    return [said for label, part in parts_of(manifest) for said in _of(label, part, manifest)]


def parts_of(manifest: SnapshotManifest) -> list[tuple[str, IndexPart]]:
    """The indexes of a snapshot, by what they are of."""
    parts = (("images", manifest.images), ("texts", manifest.texts), ("moments", manifest.moments))
    return [(label, part) for label, part in parts if part is not None]


def _of(label: str, part: IndexPart, manifest: SnapshotManifest) -> Iterator[str]:
    wanted = manifest.budget.latency_ms
    if wanted is not None and part.query_ms > wanted:
        yield (
            f"{label}: one query takes {part.query_ms:.3g} ms where it was built, {wanted:g} ms are wanted; "
            f"{_quicker(part, wanted, manifest.collection)}"
        )
    # an exact index has nothing to tune; settings were not kept before schema 2
    if part.parameters and part.curve and not _WRITTEN & part.curve[0].recall.keys():
        yield (
            f"{label}: tuned on {' and '.join(sorted(part.curve[0].recall))} alone, and texts lie elsewhere: they may find "
            "less than the recall that was measured; give captions, or texts that are asked with --queries FILE"
        )


def _quicker(part: IndexPart, wanted: float, collection: str) -> str:
    """What could be done: less recall, if that was measured to be quick enough, or another kind."""
    best = max((point for point in part.curve if point.query_ms <= wanted), key=lambda point: point.worst, default=None)
    recall = floor(best.worst * 100) / 100 if best else 0
    if not best or not recall:
        return f"no setting was as quick: `vilem index plan {collection}` estimates what other kinds take"
    return f"--recall {recall:g} would take {best.query_ms:.3g} ms"
