"""Perceptual hashes: 64 bits that stay nearly the same when a picture is recompressed, scaled or recoloured a little.

The hash of Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1, as imagehash has
it: the picture is made grey and scaled to X, 32 x 32; C = D X Dᵀ with the cosine matrix
D[u, x] = cos(π (2x + 1) u / 64); of C the 8 x 8 of lowest frequencies are compared with their median, row by row.
Crops, frames and mirrored pictures change it: that is what embeddings are for.
"""

from collections.abc import Iterator

import faiss
import numpy as np
from PIL import Image

from models.decode import DecodeLimits, decode

# a formula that gives other bits gets another name, and so another column
NAME = "dct64"
BITS = 64

_SIDE = 32
_KEPT = 8
# In grey levels, of the kept frequencies' root mean square a pixel. Below it the bits are those of noise: plain pictures
# are like each other however unlike their noise is.
_LEAST_CONTRAST = 1.0

_COSINES = np.cos(np.pi * (2 * np.arange(_SIDE) + 1) * np.arange(_KEPT)[:, None] / (2 * _SIDE))

# Four bands of 16 bits, each looked up with at most one bit turned: of two hashes that differ in at most 7 bits one band
# differs in at most one (pigeonhole; Norouzi et al., "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012).
_BANDS = 4
MAX_DISTANCE = 7
_QUERIES = 65_536


def perceptual_hash(data: bytes, limits: DecodeLimits = DecodeLimits()) -> int | None:
    """The hash of an image file as a signed 64-bit integer; None for a picture without contrast, which has none.

    Raises:
        ImageUnreadable, ImageTooLarge: it is damaged or too large.
    """
    return hash_of(decode(data, limits, min_side=2 * _SIDE))


def hash_of(image: Image.Image) -> int | None:
    """As `perceptual_hash`, of a decoded picture."""
    grey = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float64)
    low = _COSINES @ grey @ _COSINES.T
    # of orthogonal cosines each kept frequency but the constant has 2/32 of its square in each direction
    energy = (2 / _SIDE) ** 2 * (np.square(low).sum() - low[0, 0] ** 2) / _SIDE**2
    if energy < _LEAST_CONTRAST**2:
        return None
    bits = (low > np.median(low)).ravel()
    return int(np.packbits(bits).view(">i8")[0])


def distance(one: int, other: int) -> int:
    """How many of the 64 bits differ."""
    return ((one ^ other) & (2**BITS - 1)).bit_count()


def near_pairs(hashes: np.ndarray, at_most: int) -> Iterator[np.ndarray]:
    """All pairs of hashes that differ in few bits, in batches of the first one's.

    Args:
        hashes: (N,) int64, different ones.
        at_most: how many bits, 0 to `MAX_DISTANCE`: within that the search is complete.

    Yields:
        (P, 2) int64 places, the smaller first.

    Raises:
        ValueError: *at_most* is out of range.
    """
    if not 0 <= at_most <= MAX_DISTANCE:
        raise ValueError(f"hashes may differ in 0 to {MAX_DISTANCE} bits to be near, not in {at_most}")
    codes = np.ascontiguousarray(hashes, np.int64).view(np.uint8).reshape(-1, BITS // 8)
    index = faiss.IndexBinaryMultiHash(BITS, _BANDS, BITS // _BANDS)
    # differing in up to 3 bits leaves one of four bands equal
    index.nflip = 0 if at_most < _BANDS else 1
    index.add(codes)  # pyright: ignore[reportCallIssue] - wrapped by faiss at import
    for start in range(0, len(codes), _QUERIES):
        # FAISS takes what is below the radius, not at it
        limits, _, others = index.range_search(codes[start : start + _QUERIES], at_most + 1)  # pyright: ignore[reportCallIssue]
        own = np.repeat(np.arange(start, start + len(limits) - 1), np.diff(limits.astype(np.int64)))
        pairs = np.stack([own, others.astype(np.int64)], axis=1)
        yield pairs[pairs[:, 0] < pairs[:, 1]]
