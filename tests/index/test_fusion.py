"""Laws of fusing rankings."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import FusionInvalid
from index.fusion import RRF_CONSTANT, reciprocal_rank_fusion, weighted_fusion
from index.ranking import Ranking, best_of

Fuse = Callable[[Sequence[Ranking], Sequence[float]], Ranking]


def by_rank(rankings: Sequence[Ranking], weights: Sequence[float]) -> Ranking:
    """Reciprocal rank fusion."""
    return reciprocal_rank_fusion(rankings, weights=weights)


# rankings are small: what can go wrong goes wrong in few of them
few = settings(max_examples=40, deadline=None)
FUSIONS = pytest.mark.parametrize("fuse", [by_rank, weighted_fusion])


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    """Of few rows and few scores, so that rankings share rows and rows share scores."""
    rows = draw(st.lists(st.integers(0, 12), unique=True, max_size=10))
    scores = draw(st.lists(st.integers(-8, 8), min_size=len(rows), max_size=len(rows)))
    return best_of(np.array(rows, np.int64), np.array(scores, np.float32) / 8)


several = st.lists(rankings(), min_size=1, max_size=3)
weights_above_zero = st.lists(st.sampled_from([0.1, 0.3, 1.0, 2.5]), min_size=3, max_size=3)


def scores_of(ranking: Ranking) -> dict[int, float]:
    """Score by row."""
    return dict(zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True))


def test_reciprocal_ranks_by_hand() -> None:
    """A row's score is the sum of 1 / (60 + rank), and equals share a rank: 1, 2, 2 and 1, 2 here."""
    dense = best_of(np.array([3, 1, 2]), np.array([0.9, 0.5, 0.5], np.float32))
    lexical = best_of(np.array([2, 7]), np.array([5.0, 4.9], np.float32))

    fused = reciprocal_rank_fusion([dense, lexical])

    assert 60 == RRF_CONSTANT
    assert [2, 3, 1, 7] == fused.rows.tolist()
    assert pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 62]) == fused.scores.tolist()


def test_weighted_scores_by_hand() -> None:
    """A row's score is the weighted mean of its places between floor and best."""
    dense = best_of(np.array([3, 1, 2]), np.array([0.9, 0.5, 0.4], np.float32))
    lexical = best_of(np.array([2, 7]), np.array([5.0, 4.0], np.float32))

    fused = weighted_fusion([dense, lexical], [3, 1], floors=[None, 0.0])

    expected = {3: 0.75, 2: 0.25, 7: 0.25 * 0.8, 1: 0.75 * 0.2}
    assert [3, 2, 7, 1] == fused.rows.tolist()
    assert pytest.approx(expected, abs=1e-6) == scores_of(fused)


def test_where_all_scores_are_one_each_row_is_the_best() -> None:
    """A ranking whose rows have one score says that it has them: each counts 1, what it has not got 0."""
    fused = weighted_fusion(
        [best_of(np.array([1, 2]), np.full(2, 0.3)), best_of(np.array([5, 1]), np.array([0.9, 0.8]))], [0.6, 0.4]
    )

    assert {1: pytest.approx(0.6), 2: pytest.approx(0.6), 5: pytest.approx(0.4)} == scores_of(fused)


@FUSIONS
@few
@given(several, weights_above_zero)
def test_the_order_of_rankings_means_nothing(fuse: Fuse, several: list[Ranking], weights: list[float]) -> None:
    """Rankings may come in any order, each with its weight: the answer is the same to the last bit."""
    pairs = list(zip(several, weights, strict=False))
    expected = fuse([each for each, _ in pairs], [weight for _, weight in pairs])

    for order in itertools.permutations(pairs):
        fused = fuse([each for each, _ in order], [weight for _, weight in order])
        assert expected.rows.tolist() == fused.rows.tolist()
        assert expected.scores.tolist() == fused.scores.tolist()


@FUSIONS
@few
@given(several, weights_above_zero)
def test_what_is_found_is_ranked_once(fuse: Fuse, several: list[Ranking], weights: list[float]) -> None:
    """Every row of every ranking is there once, by falling score, of equals the smaller row id first."""
    fused = fuse(several, weights[: len(several)])

    expected = sorted({row for each in several for row in each.rows.tolist()})
    assert expected == sorted(fused.rows.tolist())
    keys = list(zip((-fused.scores).tolist(), fused.rows.tolist(), strict=True))
    assert sorted(keys) == keys
    assert (fused.scores >= 0).all()


@FUSIONS
@few
@given(rankings())
def test_one_ranking_alone_keeps_its_order(fuse: Fuse, alone: Ranking) -> None:
    """Fused with nothing, or with empty rankings, a ranking stays as it was: equals stay equal, others stay apart."""
    for among in ([alone], [Ranking.empty(), alone]):
        fused = fuse(among, [1.0] * len(among))

        assert alone.rows.tolist() == fused.rows.tolist()
        assert np.array_equal(np.diff(alone.scores) < 0, np.diff(fused.scores) < 0)


@FUSIONS
@few
@given(rankings(), rankings())
def test_weights_of_one_and_nought_give_one_ranking(fuse: Fuse, first: Ranking, second: Ranking) -> None:
    """A ranking of weight 0 is not there: neither its order nor its rows are seen."""
    assert first.rows.tolist() == fuse([first, second], [1, 0]).rows.tolist()
    assert second.rows.tolist() == fuse([first, second], [0, 1]).rows.tolist()


@FUSIONS
@few
@given(several, weights_above_zero, st.integers(0, 12), st.integers(0, 3))
def test_a_better_score_never_lowers_a_row(
    fuse: Fuse, several: list[Ranking], weights: list[float], row: int, which: int
) -> None:
    """A row that one ranking puts at its top comes before the rows that it came before, and does not lose score."""
    which %= len(several)
    weights = weights[: len(several)]
    before = fuse(several, weights)
    best = np.float32(max(several[which].scores, default=0))
    lifted = best_of(np.append(several[which].rows, row), np.append(several[which].scores, best))
    after = fuse([*several[:which], lifted, *several[which + 1 :]], weights)

    place = before.rows.tolist().index(row) if row in before.rows else len(before)
    assert after.rows.tolist().index(row) <= place
    assert scores_of(after)[row] >= scores_of(before).get(row, 0.0) - 1e-12


@few
@given(several, weights_above_zero)
def test_weighted_scores_lie_between_nought_and_one(several: list[Ranking], weights: list[float]) -> None:
    """Whatever the weights, a row that is best everywhere gets 1 and none gets more; floors below change no order alone."""
    fused = weighted_fusion(several, weights[: len(several)])

    assert (fused.scores <= 1 + 1e-12).all()
    for each in several:
        assert each.rows.tolist() == weighted_fusion([each], [1], floors=[-1.0]).rows.tolist()


@pytest.mark.parametrize("weights", [[1.0], [1.0, -0.5], [0.0, 0.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_weights_that_mean_nothing_are_refused(weights: list[float]) -> None:
    """Too few, negative, all zero or not finite: said with the numbers."""
    two = [best_of(np.array([1]), np.array([0.5]))] * 2

    with pytest.raises(FusionInvalid, match="for 2 rankings: give each a number of 0 or more"):
        weighted_fusion(two, weights)
    with pytest.raises(FusionInvalid, match="for 2 rankings: give each a number of 0 or more"):
        reciprocal_rank_fusion(two, weights=weights)


def test_floors_and_constants_that_mean_nothing_are_refused() -> None:
    """A floor above a score or of minus infinity, a floor too few, a constant below zero."""
    one = [best_of(np.array([1]), np.array([0.5]))]

    for floor in (0.6, float("-inf"), float("nan")):
        with pytest.raises(FusionInvalid, match="give the least score"):
            weighted_fusion(one, [1], floors=[floor])
    with pytest.raises(FusionInvalid, match="2 floors for 1 rankings"):
        weighted_fusion(one, [1], floors=[None, 0.0])
    with pytest.raises(FusionInvalid, match="constant"):
        reciprocal_rank_fusion(one, constant=-1)
