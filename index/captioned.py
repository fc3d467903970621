"""Some items of a collection with what is said of them: what a model's scores are held against."""

import numpy as np

from index.collection import Collection
from index.datasets import row_ids
from index.vectors import unit

# rows looked up at a time
_CHUNK = 1_000


def captioned(collection: Collection, most: int, seed: int = 0) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Items that have captions, drawn at random.

    Args:
        collection: at any version.
        most: how many are enough.
        seed: of the draw.

    Returns:
        Image vectors (n, d) float32 of unit norm, and the captions of each.
    """
    rows = np.concatenate(
        [
            np.zeros(0, np.int64),
            *(row_ids(batch) for batch in collection.items.scanner([], with_row_id=True).to_batches()),
        ]
    )
    drawn = np.random.default_rng(seed).permutation(rows).tolist()
    vectors: list[np.ndarray] = []
    captions: list[tuple[str, ...]] = []
    for at in range(0, len(drawn), _CHUNK):
        found = [each for each in collection.records_at(drawn[at : at + _CHUNK]) if each is not None and each.captions]
        found = found[: most - len(captions)]
        stored = collection.vectors([each.id for each in found])
        vectors += [stored[each.id] for each in found]
        captions += [each.captions for each in found]
        if len(captions) == most:
            break
    return unit(np.array(vectors, np.float32).reshape(-1, collection.info.dim)), captions
