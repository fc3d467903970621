"""How far one text tower says what another says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.agreement import agreement, first_hits


def _unit(rng: np.random.Generator, rows: int, dim: int = 8) -> np.ndarray:
    vectors = rng.normal(size=(rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 40), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_first_hits_are_those_of_one_batch(seed: int, rows: int, cuts: list[int]) -> None:
    """However the images are cut into batches, the hits are those of sorting all scores at once, equals by number."""
    rng = np.random.default_rng(seed)
    # few values: many scores are equal
    queries, images = rng.integers(-1, 2, (5, 3)).astype(np.float32), rng.integers(-1, 2, (rows, 3)).astype(np.float32)
    k = int(rng.integers(1, rows + 1))

    found = first_hits(queries, np.split(images, sorted(min(cut, rows) for cut in cuts)), k)

    assert found.tolist() == np.argsort(-(queries @ images.T), axis=1, kind="stable")[:, :k].tolist()


@pytest.mark.parametrize(("count", "k"), [(5, 1), (40, 4), (300, 10)])
def test_towers_that_agree_share_all_hits(count: int, k: int) -> None:
    """Equal vectors have cosine 1 and the same first hits: ten, or a tenth of the images."""
    rng = np.random.default_rng(0)
    said = _unit(rng, 20)

    found = agreement(said, said, [_unit(rng, count)], count)

    assert found.hits
    assert (20, 1.0, 1.0, k, count, 1.0) == (
        found.texts, found.cosine, found.least, found.hits.k, found.hits.images, found.hits.shared,
    )  # fmt: skip


def test_strangers_share_what_chance_gives() -> None:
    """Vectors that know nothing of each other share k of m hits times k, in the mean."""
    rng = np.random.default_rng(1)

    found = agreement(_unit(rng, 400), _unit(rng, 400), [_unit(rng, 60), _unit(rng, 40)], 100)

    assert found.hits
    assert 0.1 == pytest.approx(found.hits.shared, abs=0.03)
    assert abs(found.cosine) < 0.1


def test_without_images_there_are_cosines() -> None:
    """The metrics name what was measured, and nothing else."""
    said = np.eye(2, dtype=np.float32)

    found = agreement(said, np.stack([said[0], -said[1]]))

    assert {"teacher_texts": 2.0, "teacher_cosine": 0.0, "teacher_cosine_least": -1.0} == found.metrics()
    with_images = agreement(said, said, [np.eye(2, dtype=np.float32)], 2).metrics()
    assert {"teacher_hits1": 1.0, "teacher_hits1.images": 2.0}.items() <= with_images.items()
