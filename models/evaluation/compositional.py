"""Whether a model tells a caption from its edit: an attribute swapped, a relation flipped, a count changed.

Retrieval among different pictures can be solved by a bag of colours; this cannot. SugarCrepe and the edits of rendered
scenes are measured here, by the same strict comparison: cos(image, true) > cos(image, false).
"""

import numpy as np

from models.evaluation.embed import EmbeddedEdits
from models.evaluation.outcomes import Ranked, grouped


def edits_ranked(
    images: np.ndarray, texts: np.ndarray, owners: np.ndarray, edits: EmbeddedEdits, seen: np.ndarray | None = None
) -> Ranked:
    """Rank each true caption against one edit of it: 1 when it scores strictly higher, else 2.

    Args:
        images: (N, d) unit vectors.
        texts: (M, d) unit vectors of the true captions.
        owners: (M,) row of each caption's image.
        edits: the false captions.
        seen: (P,) rows of the images that score them, when not their own: what is preferred then is preferred for the
            text's sake.
    """
    ranks = 1 + ~preference(images[edits.images if seen is None else seen], texts[edits.texts], edits.vectors)
    units = np.searchsorted(np.unique(owners), edits.images)
    groups = grouped([(kind, *more) for kind, more in zip(edits.kinds, edits.groups, strict=True)])
    return Ranked(ranks=ranks.tolist(), images=units.tolist(), groups=groups, kinds=sorted(set(edits.kinds)))


def preference(images: np.ndarray, true: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Which of P edited captions score below the true one.

    Args:
        images: (P, d) unit vectors, or (d,) for one image.
        true: (P, d) unit vectors of the true captions.
        edited: (P, d) unit vectors of their edits.

    Returns:
        (P,) bool; a tie counts against the model.
    """
    return (true * images).sum(axis=-1) > (edited * images).sum(axis=-1)
