"""Laws of rankings."""

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index.ranking import Found, Ranking, best_of

FOUND = st.lists(st.tuples(st.integers(-1, 20), st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=40)


@given(FOUND)
def test_a_row_is_there_once_by_its_best_score(found: list[tuple[int, float]]) -> None:
    """What was found is ranked as a sort of the best scores by row would rank it; rows below zero are no rows."""
    best: dict[int, float] = {}
    for row, score in found:
        if row >= 0:
            best[row] = max(score, best.get(row, score))
    expected = sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))

    rows, scores = np.array([row for row, _ in found], np.int64), np.array([score for _, score in found], np.float32)
    ranking = best_of(rows, scores)

    assert expected == list(zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True))
    assert (np.int64, np.float32) == (ranking.rows.dtype, ranking.scores.dtype)


@given(FOUND, st.randoms(use_true_random=False))
def test_the_order_of_finding_means_nothing(found: list[tuple[int, float]], random: Random) -> None:
    """Whatever is found first, the ranking is the same."""
    shuffled = random.sample(found, len(found))

    first, second = (
        best_of(np.array([row for row, _ in each], np.int64), np.array([score for _, score in each], np.float32))
        for each in (found, shuffled)
    )

    assert first.rows.tolist() == second.rows.tolist()
    assert first.scores.tolist() == second.scores.tolist()


def test_the_top_is_a_ranking() -> None:
    """The first k are a ranking of k, or of all there are."""
    ranking = best_of(np.array([5, 6, 7]), np.array([0.1, 0.3, 0.2]))

    assert [6, 7] == ranking.top(2).rows.tolist()
    assert 3 == len(ranking.top(9))
    assert 0 == len(Ranking.empty().top(3))


@given(parts=st.lists(st.lists(st.integers(-1, 30), unique=True), max_size=5))
def test_what_is_found_later_follows(parts: list[list[int]]) -> None:
    """Each row stands where it was found first, with the score that it had there; what stands for nothing is left out."""
    found, expected = Found.nothing(), dict[int, float]()
    for number, rows in enumerate(parts):
        found = found.continued(np.array(rows, np.int64), np.full(len(rows), number, np.float32))
        for row in rows:
            if row >= 0:
                expected.setdefault(row, number)

    assert list(expected.items()) == list(zip(found.rows.tolist(), found.scores.tolist(), strict=True))
    assert list(expected)[2:5] == found.cut(2, 5).rows.tolist()
