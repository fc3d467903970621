"""What parts of all engines have in common."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index.parts import NO_ROW, NO_SCORE, best, compared, nothing
from tests.index.parts.exact import ExactPart
from tests.index.published import unit_vectors

score = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0])
hits = st.dictionaries(st.integers(0, 40), score, max_size=12)


@given(hits, st.sets(st.integers(0, 40), max_size=6), st.integers(1, 15))
def test_the_best_of_several_answers_are_the_best_of_all(found: dict[int, float], apart: set[int], k: int) -> None:
    """However the rows are shared out between answers: the k greatest scores, of equals the smaller row first."""
    shares = [[row for row in found if (row in apart) == first] for first in (True, False)]
    answers = [
        (np.array([[found[row] for row in share]], np.float32), np.array([share], np.int64).reshape(1, -1))
        for share in shares
    ]

    scores, rows = best(answers, k)

    expected = sorted((-value, row) for row, value in found.items())[:k]
    assert [row for _, row in expected] == rows[0].tolist()
    assert [-value for value, _ in expected] == scores[0].tolist()


def test_what_is_missing_stands_at_the_end() -> None:
    """A row that is none is behind the worst that there is."""
    scores = np.array([[NO_SCORE, -1.0, 0.5]], np.float32)

    assert [[8, 7, NO_ROW]] == best([(scores, np.array([[NO_ROW, 7, 8]]))], 3)[1].tolist()


def test_nothing_is_found_of_nothing() -> None:
    """An answer without columns, one row a query, that joins any other."""
    other = np.ones((2, 1), np.float32), np.full((2, 1), 5, np.int64)

    assert [[5], [5]] == best([nothing(2), other], 4)[1].tolist()


@given(st.integers(0, 30), st.integers(1, 40))
def test_comparing_one_by_one_is_what_the_oracle_does(size: int, k: int) -> None:
    """Every row is compared, and the k best are told."""
    vectors, queries = unit_vectors(size + 1, seed=size)[:size], unit_vectors(3, seed=99)
    rows = np.random.default_rng(size).permutation(size).astype(np.int64)

    scores, found = compared(queries, rows, vectors, k)

    expected_scores, expected = ExactPart(rows, vectors).search(queries, k)
    assert expected.tolist() == found.tolist()
    np.testing.assert_allclose(expected_scores, scores, atol=1e-6)
