"""The audit: one pass over the captions, one over the neighbours of all items, one over the files where that is wanted."""

from datetime import UTC, datetime
from itertools import islice

import numpy as np

from index.audit.density import OUTLIER_Z, Density, K, density_of
from index.audit.figures import (
    Audit,
    Broken,
    Captions,
    Files,
    Hubs,
    Outliers,
    Place,
    SharedText,
    Suspect,
    Texts,
)
from index.audit.files import broken_files
from index.audit.pairs import Pairs, pairs_of
from index.datasets import row_ids, rows_at
from index.neighbours import Tell, silent
from index.rows import vectors_of
from index.searcher import Searcher
from index.vectors import unit

LIMIT = 200
_EXAMPLES = 5


def audit(searcher: Searcher, *, files: bool = False, limit: int = LIMIT, tell: Tell = silent) -> Audit:
    """Look for what is likely wrong with a collection; nothing is changed.

    Memory: 28 bytes a caption, 20 an item, and a batch.

    Args:
        searcher: of the collection.
        files: read every picture, and compare it with its SHA-256.
        limit: entries of each list.
        tell: called as it goes on.
    """
    collection = searcher.view.collection
    pairs = pairs_of(collection, tell)
    density = density_of(searcher.view, tell)
    return Audit(
        collection=searcher.name,
        items=len(density.rows),
        items_version=collection.version,
        captions_version=collection.captions_version,
        bundle_name=collection.info.bundle_name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        limit=limit,
        captions=_captions(searcher, pairs, limit) if len(pairs) else None,
        texts=_texts(searcher, pairs, limit) if len(pairs) else None,
        outliers=_outliers(searcher, density, limit),
        hubs=_hubs(searcher, density, limit),
        files=_files(searcher, density.rows, limit, tell) if files else None,
    )


def _captions(searcher: Searcher, pairs: Pairs, limit: int) -> Captions:
    wrong = pairs.wrong()
    lowest = np.lexsort((pairs.captions, pairs.cosines))[:limit]
    return Captions(
        pairs=len(pairs),
        mean_cosine=round(float(pairs.cosines.mean()), 4),
        two_kinds=bool(wrong.any()),
        flagged=int((wrong > 0.5).sum()),
        expected_wrong=round(float(wrong.sum()), 1),
        suspects=_suspects(searcher, pairs, wrong, lowest),
    )


def _suspects(searcher: Searcher, pairs: Pairs, wrong: np.ndarray, places: np.ndarray) -> list[Suspect]:
    """The pairs at those places, each with the item that the caption fits best."""
    texts = searcher.view.collection.captions_at(pairs.captions[places].tolist())
    scores, best = searcher.view.images.search(_caption_vectors(searcher, pairs.captions[places]), 1)
    ids = _ids(searcher, best[:, 0])
    found: list[Suspect] = []
    for at, (place, text) in enumerate(zip(places.tolist(), texts, strict=True)):
        if text is not None:
            other = ids[at] if ids[at] != text.item_id else None
            found.append(
                Suspect(
                    id=text.item_id,
                    caption=text.text,
                    cosine=round(float(pairs.cosines[place]), 4),
                    wrong=round(float(wrong[place]), 4),
                    fits=other,
                    fits_cosine=None if other is None else round(float(scores[at, 0]), 4),
                )
            )
    return found


def _caption_vectors(searcher: Searcher, rows: np.ndarray) -> np.ndarray:
    """(n, d) float32, unit norm, of those captions."""
    table = rows_at(searcher.view.collection.captions, rows.tolist(), ["vector"])
    place = {row: at for at, row in enumerate(row_ids(table).tolist())}
    return unit(vectors_of(table["vector"], searcher.dim))[[place[row] for row in rows.tolist()]]


def _texts(searcher: Searcher, pairs: Pairs, limit: int) -> Texts:
    # an item that has a text twice, in another case, counts once
    texts, items = np.unique(np.stack([pairs.texts.view(np.int64), pairs.items]), axis=1)
    names, starts, counts = np.unique(texts, return_index=True, return_counts=True)
    shared = names[counts > 1]
    most = np.lexsort((names, -counts))[: min(limit, len(shared))]
    order = np.argsort(pairs.texts.view(np.int64), kind="stable")
    first = order[np.searchsorted(pairs.texts.view(np.int64)[order], names[most])]
    written = searcher.view.collection.captions_at(pairs.captions[first].tolist())
    found = [
        SharedText(
            caption="" if caption is None else caption.text,
            items=int(counts[at]),
            examples=[each for each in _ids(searcher, items[starts[at] :][: min(_EXAMPLES, counts[at])]) if each],
        )
        for at, caption in zip(most.tolist(), written, strict=True)
    ]
    among = int(np.isin(pairs.texts.view(np.int64), shared).sum())
    return Texts(different=len(names), shared=len(shared), pairs=among, most=found)


def _outliers(searcher: Searcher, density: Density, limit: int) -> Outliers:
    z = density.outlier_scores()
    farthest = np.lexsort((density.rows, -z))[:limit]
    return Outliers(
        median_distance=round(float(np.median(density.distances)), 4) if len(z) else 0.0,
        flagged=int((z > OUTLIER_Z).sum()),
        farthest=_places(searcher, density, z, farthest),
    )


def _hubs(searcher: Searcher, density: Density, limit: int) -> Hubs:
    bound = density.hub_bound()
    greatest = np.lexsort((density.rows, -density.occurrences))[:limit]
    return Hubs(
        k=K,
        skewness=round(density.skewness(), 3),
        bound=round(bound, 1),
        flagged=int((density.occurrences > bound).sum()),
        never_found=density.never_found(),
        greatest=_places(searcher, density, density.outlier_scores(), greatest),
    )


def _places(searcher: Searcher, density: Density, z: np.ndarray, places: np.ndarray) -> list[Place]:
    ids = _ids(searcher, density.rows[places])
    return [
        Place(
            id=item,
            distance=round(float(density.distances[place]), 4),
            z=round(float(z[place]), 2),
            occurrences=int(density.occurrences[place]),
        )
        for item, place in zip(ids, places.tolist(), strict=True)
        if item is not None
    ]


def _files(searcher: Searcher, rows: np.ndarray, limit: int, tell: Tell) -> Files:
    found = broken_files(searcher, rows, tell)
    examples = [Broken(id=record.id, uri=record.uri, why=why) for record, why in islice(found, limit)]
    return Files(read=len(rows), broken=len(examples) + sum(1 for _ in found), examples=examples)


def _ids(searcher: Searcher, rows: np.ndarray) -> list[str | None]:
    records = searcher.view.collection.records_at(np.asarray(rows).tolist())
    return [None if record is None else record.id for record in records]
