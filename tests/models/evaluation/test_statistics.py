"""Spread over seeds, and the paired bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.figures import figures
from models.evaluation.outcomes import Pool, Ranked
from models.evaluation.statistics import Interval, draws, mean_and_sd, paired_bootstrap
from tests.models.evaluation.made import random_pool


@given(st.integers(1, 20), st.integers(1, 250), st.integers(0, 99))
@settings(max_examples=30)
def test_a_draw_is_as_many_images_as_there_are(images: int, resamples: int, seed: int) -> None:
    """Every resample counts as many images as the data has, some of them several times; there are as many as asked for."""
    found = np.concatenate(list(draws(images, resamples, np.random.default_rng(seed))))

    assert (resamples, images) == found.shape
    assert (found >= 0).all()
    assert {images} == set(found.sum(axis=1).tolist())


def test_a_model_against_itself_differs_by_nothing() -> None:
    """Paired with itself every difference is exactly zero, in every resample."""
    pool = random_pool(np.random.default_rng(0))

    found = paired_bootstrap([pool], [pool], resamples=200)

    assert {(0.0, 0.0)} == {(each.low, each.high) for each in found.values()}
    assert not any(each.clear for each in found.values())


def test_equal_seeds_give_equal_intervals() -> None:
    """The bootstrap is determined by its seed."""
    rng = np.random.default_rng(1)
    pools = [random_pool(rng)], [random_pool(rng)]

    assert paired_bootstrap(*pools, resamples=150, seed=4) == paired_bootstrap(*pools, resamples=150, seed=4)
    assert paired_bootstrap(*pools, resamples=150, seed=4) != paired_bootstrap(*pools, resamples=150, seed=5)


def test_turning_the_pair_turns_the_interval() -> None:
    """B against A is the mirror image of A against B."""
    rng = np.random.default_rng(2)
    one, other = random_pool(rng), random_pool(rng, skill=2.0)

    there, back = paired_bootstrap([one], [other], 300), paired_bootstrap([other], [one], 300)

    for name, interval in there.items():
        assert pytest.approx((-interval.high, -interval.low)) == (back[name].low, back[name].high)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_holds_the_measured_difference(seed: int) -> None:
    """What was measured lies within what resampling makes of it, for every figure."""
    rng = np.random.default_rng(seed)
    one, other = random_pool(rng, images=60), random_pool(rng, images=60, skill=1.5)
    before, after = figures(one), figures(other)

    for name, interval in paired_bootstrap([one], [other], 400).items():
        assert interval.low <= after[name] - before[name] <= interval.high, name


def _pair(right_a: np.ndarray, right_b: np.ndarray) -> tuple[Pool, Pool]:
    images = list(range(len(right_a)))
    one, other = (
        Pool(images=len(images), tasks={"i2t": Ranked(ranks=(1 + 10 * ~right).tolist(), images=images)})
        for right in (right_a, right_b)
    )
    return one, other


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Over a hundred experiments with a true difference of 0.1, 95 % intervals hold it in at least 88 of them."""
    rng = np.random.default_rng(7)
    covered = 0
    for seed in range(100):
        one, other = _pair(rng.random(150) < 0.5, rng.random(150) < 0.6)
        interval = paired_bootstrap([one], [other], 200, seed)["i2t_r1"]
        covered += interval.low <= 0.1 <= interval.high

    assert 88 <= covered <= 100


def test_pairing_takes_out_what_both_models_find_hard() -> None:
    """When models agree on most images, the paired interval is far narrower than the two models' own spread."""
    rng = np.random.default_rng(8)
    right = rng.random(400) < 0.5
    better = right | (rng.random(400) < 0.04)
    one, other = _pair(right, better)

    paired = paired_bootstrap([one], [other], 400)["i2t_r1"]
    apart = paired_bootstrap(_pair(right, right)[:1], _pair(better, rng.permutation(better))[1:], 400)["i2t_r1"]

    assert paired.clear
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)


def test_folds_are_drawn_within_themselves() -> None:
    """The interval over folds is of the mean of the folds' differences: narrower than that of any one."""
    rng = np.random.default_rng(9)
    first, second = ([random_pool(rng, images=40) for _ in range(4)] for _ in range(2))

    together = paired_bootstrap(first, second, 300)["t2i_r1"]
    alone = paired_bootstrap(first[:1], second[:1], 300)["t2i_r1"]

    assert together.high - together.low < alone.high - alone.low


@pytest.mark.parametrize("sizes", [(3, 4), (0, 0)])
def test_pools_of_other_sizes_are_not_paired(sizes: tuple[int, int]) -> None:
    """Pools of different images, or none at all, have no pairs."""
    rng = np.random.default_rng(0)
    pools = [[random_pool(rng, images=size)] if size else [] for size in sizes]

    with pytest.raises(ValueError, match="cannot be paired"):
        paired_bootstrap(pools[0], pools[1])


def test_a_figure_that_some_resamples_lack_is_taken_from_the_others() -> None:
    """A group of one image is missing from a third of all resamples; its interval is over the rest."""
    ranked = Ranked(ranks=[1, 2], images=[0, 1], groups={"one": [0]}, kinds=["one"])
    worse = Ranked(ranks=[2, 2], images=[0, 1], groups={"one": [0]}, kinds=["one"])
    first, second = (Pool(images=2, tasks={"edits": each}) for each in (worse, ranked))

    assert Interval(1.0, 1.0) == paired_bootstrap([first], [second], 200)["edits.one"]


def test_a_figure_that_no_resample_has_has_no_interval() -> None:
    """Where nothing is known the interval is NaN, and never clear."""
    found = Interval.of(np.array([np.nan, np.nan]))

    assert np.isnan(found.low)
    assert np.isnan(found.high)
    assert not found.clear


@pytest.mark.parametrize(("low", "high", "clear"), [(-1, 1, False), (0, 1, False), (0.1, 1, True), (-2, -1, True)])
def test_an_interval_is_clear_when_it_leaves_zero_out(low: float, high: float, clear: bool) -> None:
    """Zero at an end is inside."""
    assert clear == Interval(low, high).clear


def test_the_spread_is_a_samples() -> None:
    """Mean and standard deviation with n - 1 below the line."""
    assert (2.0, 1.0) == mean_and_sd([1.0, 2.0, 3.0])


@pytest.mark.parametrize("values", [[], [0.5]])
def test_one_seed_has_no_spread(values: list[float]) -> None:
    """Fewer than two values are refused rather than given a deviation of zero."""
    with pytest.raises(ValueError, match="no deviation"):
        mean_and_sd(values)
