"""Frames' vectors as one vector, or one score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.video import pooling
from models.video.pooling import attention_scores, mean_pool


def _unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    made = rng.normal(size=shape).astype(np.float32)
    return made / np.linalg.norm(made, axis=-1, keepdims=True)


@st.composite
def pools(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Texts (M, d) and frames (N, F, d)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dim = draw(st.integers(2, 16))
    return _unit(rng, draw(st.integers(1, 5)), dim), _unit(rng, draw(st.integers(1, 4)), draw(st.integers(1, 6)), dim)


@settings(max_examples=30)
@given(pools())
def test_the_mean_is_a_unit_vector_whatever_the_order(pool: tuple[np.ndarray, np.ndarray]) -> None:
    """Norm 1, float32, and the same for a clip played backwards."""
    _, frames = pool

    pooled = mean_pool(frames)

    assert np.float32 == pooled.dtype
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(pooled, mean_pool(frames[:, ::-1]), atol=1e-5)


def test_one_frame_is_its_own_mean() -> None:
    """A clip of one frame, or of one frame again and again, is that frame."""
    frame = _unit(np.random.default_rng(0), 1, 1, 8)

    np.testing.assert_allclose(frame[:, 0], mean_pool(frame), atol=1e-6)
    np.testing.assert_allclose(frame[:, 0], mean_pool(np.repeat(frame, 5, axis=1)), atol=1e-6)


def test_frames_that_cancel_each_other_point_nowhere() -> None:
    """Opposite frames have the zero vector, not rounding error scaled up and not NaN."""
    frame = _unit(np.random.default_rng(0), 1, 1, 8)

    np.testing.assert_array_equal(np.zeros((1, 8)), mean_pool(np.concatenate([frame, -frame], axis=1)))


@settings(max_examples=30)
@given(pools(), st.sampled_from([0.01, 0.1, 1.0]))
def test_attention_is_the_cosine_with_the_weighted_mean(
    pool: tuple[np.ndarray, np.ndarray], temperature: float
) -> None:
    """Against the formula, written out for each pair in double precision."""
    texts, frames = pool

    scores = attention_scores(texts, frames, temperature)

    for row, text in enumerate(texts.astype(np.float64)):
        for column, clip in enumerate(frames.astype(np.float64)):
            weights = np.exp((clip @ text - (clip @ text).max()) / temperature)
            summed = weights @ clip
            if np.linalg.norm(summed) > 1e-2 * weights.sum():
                assert pytest.approx(text @ summed / np.linalg.norm(summed), abs=1e-3) == scores[row, column]


@settings(max_examples=30)
@given(pools())
def test_a_high_temperature_is_the_mean(pool: tuple[np.ndarray, np.ndarray]) -> None:
    """Equal weights: the cosine with the mean."""
    texts, frames = pool
    clear = np.linalg.norm(frames.mean(axis=1), axis=1) > 0.05

    scores = attention_scores(texts, frames, 1e6)

    np.testing.assert_allclose(scores[:, clear], (texts @ mean_pool(frames).T)[:, clear], atol=1e-3)


@settings(max_examples=30)
@given(pools())
def test_a_low_temperature_is_the_best_frame(pool: tuple[np.ndarray, np.ndarray]) -> None:
    """All weight on one frame: the highest cosine of any."""
    texts, frames = pool
    near = np.einsum("md,nfd->mnf", texts, frames)
    ordered = np.sort(near, axis=2)
    clear = ordered[:, :, -1] - ordered[:, :, -2] > 0.02 if near.shape[2] > 1 else np.ones(near.shape[:2], bool)

    scores = attention_scores(texts, frames, 1e-4)

    np.testing.assert_allclose(scores[clear], near.max(axis=2)[clear], atol=1e-3)


def test_one_scene_of_a_clip_is_found() -> None:
    """What attention is for: a text about one frame of eight scores higher than by the mean, which drowns it."""
    rng = np.random.default_rng(1)
    frames = _unit(rng, 1, 8, 32)
    text = frames[:, 5]

    assert attention_scores(text, frames, 0.05)[0, 0] > 0.95
    assert (text @ mean_pool(frames).T)[0, 0] < 0.6


def test_parts_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts scored a few at a time, for memory's sake, score as all at once."""
    rng = np.random.default_rng(2)
    texts, frames = _unit(rng, 7, 8), _unit(rng, 5, 3, 8)
    whole = attention_scores(texts, frames, 0.1)

    monkeypatch.setattr(pooling, "_SCORES", 2 * 5 * 3)

    np.testing.assert_allclose(whole, attention_scores(texts, frames, 0.1), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -0.1, float("nan")])
def test_a_temperature_that_weighs_nothing(temperature: float) -> None:
    """It must be above 0."""
    with pytest.raises(ValueError, match="above 0"):
        attention_scores(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[None], temperature)
