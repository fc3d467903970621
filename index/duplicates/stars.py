"""One set of pictures that hang together becomes groups, each around the picture that resembles the others most.

In a set each picture resembles some other, and a chain of small steps leads far: a street at dawn, at noon, at dusk. So a
set is cut into stars (Aslam, Pelekhov and Rus, "The Star Clustering Algorithm", 2004): the picture with the most neighbours becomes a
representative and takes all that resemble it; of what is left the next does.
"""

import numpy as np

# Rows of a matrix of cosines at a time: 2,048 x 8,192 floats are 64 MB.
_BLOCK = 2_048
# Of larger groups the least cosine of two members is bounded, not computed: it costs the square of their number.
EXACT_DIAMETER = 4_096


def stars(
    vectors: np.ndarray,
    degrees: np.ndarray,
    pixels: np.ndarray,
    threshold: float,
    *,
    looks: tuple[np.ndarray, np.ndarray, int] | None = None,
    chains: bool = False,
) -> np.ndarray:
    """Which member represents each member of a set.

    Args:
        vectors: (n, d) float32, unit norm.
        degrees: (n,) how many near-duplicates each was found to have.
        pixels: (n,) width times height: of two with as many, the larger picture goes first, then the earlier one.
        threshold: least cosine to the representative.
        looks: perceptual hashes (n,) int64, where there is one (n,) bool, and in how many bits a member's hash may differ from
            the representative's, whatever their cosine; None = hashes do not count.
        chains: let one represent them all, however unlike.

    Returns:
        (n,) int64 places; a representative's is its own. Each member's representative is near enough, or itself.
    """
    order = np.lexsort((np.arange(len(vectors)), -pixels, -degrees))
    if chains:
        return np.full(len(vectors), order[0], np.int64)
    owners = np.full(len(vectors), -1, np.int64)
    for centre in order:
        if owners[centre] >= 0:
            continue
        free = np.flatnonzero(owners < 0)
        near = vectors[free] @ vectors[centre] >= threshold
        if looks is not None:
            hashes, known, bits = looks
            near |= known[free] & known[centre] & (np.bitwise_count(hashes[free] ^ hashes[centre]) <= bits)
        owners[free[near]] = centre
        # a vector of zeros is not like itself
        owners[centre] = centre
    return owners


def least_cosine(vectors: np.ndarray, cosines: np.ndarray) -> float:
    """The least cosine of two members of a group; of one with more than `EXACT_DIAMETER`, a bound that it is not below.

    Args:
        vectors: (n, d) float32, unit norm.
        cosines: (n,) of each to the representative; from the widest angle a to it the bound follows, cos 2a.
    """
    if len(vectors) > EXACT_DIAMETER:
        return float(np.cos(min(np.pi, 2 * np.arccos(np.clip(cosines.min(), -1, 1)))))
    blocks = (vectors[start : start + _BLOCK] @ vectors.T for start in range(0, len(vectors), _BLOCK))
    # rounding lifts a vector's cosine to itself over 1
    return min(1.0, *(float(block.min()) for block in blocks))
