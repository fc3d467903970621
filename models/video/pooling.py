"""From the vectors of a clip's frames to one vector, or to one score for each text.

The mean knows nothing of the order of frames: a clip and the same clip played backwards have one vector.
"""

import numpy as np

# texts x clips x frames scored at a time: 128 MiB of float32 for the weights
_SCORES = 2**25


def mean_pool(frames: np.ndarray) -> np.ndarray:
    """The mean of unit vectors, scaled to unit norm again (Luo et al., CLIP4Clip, 2021: "meanP").

    Args:
        frames: (..., F, d) unit vectors.

    Returns:
        (..., d) unit vectors; zero where the frames cancel each other out, which then score 0 with every text.
    """
    mean = frames.mean(axis=-2)
    norm = np.linalg.norm(mean, axis=-1, keepdims=True)
    # below this a mean is rounding error, and scaling it up would make a direction of nothing
    return np.where(norm > 1e-6, mean / np.maximum(norm, 1e-6), 0).astype(frames.dtype)


def attention_scores(texts: np.ndarray, frames: np.ndarray, temperature: float) -> np.ndarray:
    """Cosine of each text with each clip, whose frames count the more the nearer they are to that text.

    score(t, c) = cos(t, sum_f a_f v_f) with a = softmax_f(cos(t, v_f) / temperature): "query scoring" of Bain et al.,
    A CLIP-Hitchhiker's Guide to Long Video Retrieval (2022), which X-Pool (Gorti et al., CVPR 2022) has with learnt
    projections. A high temperature is the mean, a low one the best frame alone. A clip has no vector of its own then, so
    this cannot be looked up in an index: it ranks a pool, or what an index found.

    Args:
        texts: (M, d) unit vectors.
        frames: (N, F, d) unit vectors.
        temperature: above 0.

    Returns:
        (M, N) float32.

    Raises:
        ValueError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"a temperature of {temperature} weighs nothing: it must be above 0")
    clips, count, _ = frames.shape
    gram = np.einsum("nfd,ngd->nfg", frames, frames)  # (N, F, F): the norm of a weighted mean without the mean itself
    scores = np.empty((len(texts), clips), np.float32)
    rows = max(1, _SCORES // max(1, clips * count))
    for start in range(0, len(texts), rows):
        near = np.einsum("md,nfd->mnf", texts[start : start + rows], frames, optimize=True)
        weights = np.exp((near - near.max(axis=2, keepdims=True)) / temperature)  # (m, N, F)
        along = (weights * near).sum(axis=2)
        length = np.sqrt(np.maximum(np.einsum("mnf,nfg,mng->mn", weights, gram, weights, optimize=True), 1e-12))
        scores[start : start + rows] = along / length
    return scores
