"""Figures from outcomes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.figures import KS, RECALLS, Median, Share, figures, figures_under, statistics_of
from models.evaluation.outcomes import Pool, Ranked, retrieval_pool
from models.evaluation.retrieval import evaluate
from models.evaluation.words import auroc, auroc_by_group
from tests.models.evaluation.made import pools, random_pool, random_words


@given(pools())
@settings(max_examples=60)
def test_figures_are_those_of_retrieval(pool: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Made from outcomes, recalls, medians and RSUM are what `retrieval.evaluate` says of the vectors."""
    expected = evaluate(*pool)

    found = figures(retrieval_pool(*pool))

    for k in KS:
        assert pytest.approx(expected.text_to_image[k]) == found[f"t2i_r{k}"]
        assert pytest.approx(expected.image_to_text[k]) == found[f"i2t_r{k}"]
    assert (expected.text_median_rank, expected.image_median_rank) == (found["t2i_median"], found["i2t_median"])
    assert pytest.approx(expected.rsum) == found["rsum"]


@st.composite
def weighted(draw: st.DrawFn) -> tuple[Pool, np.ndarray]:
    """A pool and how often each of its images counts, at least one of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    images = draw(st.integers(1, 7))
    pool = random_pool(rng, images=images)
    weights = rng.integers(0, 4, images)
    weights[draw(st.integers(0, images - 1))] += 1
    return pool, weights


def _repeated(ranked: Ranked, weights: np.ndarray) -> list[int]:
    pairs = zip(ranked.ranks, ranked.images, strict=True)
    return [rank for rank, image in pairs for _ in range(weights[image])]


@given(weighted())
@settings(max_examples=80)
def test_a_weight_is_a_repetition(drawn: tuple[Pool, np.ndarray]) -> None:
    """Under weights each figure is what it would be if every image and its queries stood there so many times."""
    pool, weights = drawn

    found = {name: value[0] for name, value in figures_under(pool, weights[None]).items()}

    for task in ("t2i", "i2t"):
        ranks = np.array(_repeated(pool.tasks[task], weights))
        assert np.median(ranks) == found[f"{task}_median"]
        for k in KS:
            assert pytest.approx((ranks <= k).mean()) == found[f"{task}_r{k}"]
    assert pytest.approx((np.array(_repeated(pool.tasks["edits"], weights)) == 1).mean()) == found["edits.all"]


@given(weighted(), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_queries_does_not_matter(drawn: tuple[Pool, np.ndarray], random: object) -> None:
    """Permuting the queries of a task, with their images, leaves its figures alone."""
    pool, weights = drawn
    task = pool.tasks["i2t"]
    order = np.random.default_rng(abs(hash(str(random))) % 2**32).permutation(len(task.ranks))
    turned = Ranked(ranks=[task.ranks[row] for row in order], images=[task.images[row] for row in order])

    before = figures_under(Pool(images=pool.images, tasks={"i2t": task}), weights[None])
    after = figures_under(Pool(images=pool.images, tasks={"i2t": turned}), weights[None])

    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])


def test_many_weightings_are_each_their_own() -> None:
    """Row by row, B weightings at once give what each gives alone: chunks are not seen."""
    rng = np.random.default_rng(3)
    pool = random_pool(rng, images=9)
    weights = rng.multinomial(9, np.full(9, 1 / 9), size=130)

    together = figures_under(pool, weights)

    for row in (0, 63, 64, 129):
        alone = figures_under(pool, weights[row][None])
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][row])


def test_rsum_is_in_points() -> None:
    """A perfect model has 600 points."""
    same = retrieval_pool(np.eye(3), np.eye(3), np.arange(3))

    assert 600 == figures(same)["rsum"]
    assert 6 == len(RECALLS)


def test_without_both_directions_there_is_no_rsum() -> None:
    """A sum of fewer recalls would be compared with sums of six."""
    only = Pool(images=1, tasks={"t2i": Ranked(ranks=[1], images=[0])})

    assert "rsum" not in figures(only)


def test_the_macro_mean_gives_kinds_equal_weight() -> None:
    """Ten pairs of one kind and one of another count as much as each other; further groups count for nothing."""
    ranked = Ranked(
        ranks=[1] * 10 + [2], images=[0] * 11, groups={"many": list(range(10)), "one": [10], "new": [0]},
        kinds=["many", "one"],
    )  # fmt: skip

    found = figures(Pool(images=1, tasks={"edits": ranked}))

    assert (0.5, 10 / 11) == (found["edits.macro"], pytest.approx(found["edits.all"]))
    assert (1.0, 0.0, 1.0) == (found["edits.many"], found["edits.one"], found["edits.new"])


def test_a_fold_figure_is_the_mean_of_the_folds() -> None:
    """COCO's 1K figures are means over five folds: of recalls, of medians and of RSUM."""
    rng = np.random.default_rng(4)
    parts = [random_pool(rng, images=5) for _ in range(5)]

    found = figures(parts[0], parts)

    for name in ("t2i_r1", "i2t_median", "rsum"):
        assert pytest.approx(np.mean([figures(part)[name] for part in parts])) == found[f"folds5.{name}"]


def test_a_group_without_queries_left_has_no_figure() -> None:
    """When resampling leaves a group no query, its share is NaN and not zero; so is a median of nothing."""
    share = Share(np.array([1, 0]), np.array([1, 0]))
    median = Median(np.array([3]), np.array([0]))
    weights = np.array([[0, 2], [1, 1]])

    np.testing.assert_array_equal([np.nan, 1.0], share.under(weights))
    np.testing.assert_array_equal([np.nan, 3.0], median.under(weights))


def test_every_group_is_measured_at_every_k() -> None:
    """A group of captions has a recall at each K; medians are of the whole alone."""
    pool = random_pool(np.random.default_rng(5))

    assert {f"t2i_r{k}.even" for k in KS} == {name for name in statistics_of(pool) if name.endswith(".even")}


@given(st.integers(0, 2**32), st.integers(2, 60))
@settings(max_examples=60)
def test_figures_of_words_are_those_of_words(seed: int, count: int) -> None:
    """Where every image counts once, AUROC by kind and beside other images is what `models.evaluation.words` says."""
    made = random_words(np.random.default_rng(seed), images=5, words=count + 2)
    kinds = {row: kind for kind, rows in made.wrong.items() for row in rows}
    wrong = np.array([row in kinds for row in range(len(made.own))])

    found = figures(Pool(images=5, tasks={}, words=made))

    assert pytest.approx(auroc(np.array(made.own), wrong)) == found["words.auroc"]
    assert pytest.approx(auroc(np.array(made.other), wrong)) == found["words.shuffled"]
    by_kind = auroc_by_group(np.array(made.own), wrong, [kinds.get(row, "") for row in range(len(wrong))])
    for kind, value in by_kind.items():
        assert pytest.approx(value) == found[f"words.auroc.{kind}"]


@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_words_have_six_sorts_of_figures(threshold: float) -> None:
    """Detection, its control, correction, what is told of it, what is called wrong, and detection by kind; nothing of retrieval."""
    made = random_words(np.random.default_rng(1)).model_copy(update={"threshold": threshold})

    found = figures(Pool(images=30, tasks={}, words=made))

    names = ["words.auroc", "words.auroc.one", "words.auroc.two", "words.shuffled", "words.corrected", "words.told"]
    assert [*names, "words.called", "words.alarms"] == list(found)
    assert pytest.approx(len(made.restored) / len(made.known)) == found["words.corrected"]
    told = sum(made.own[row] > threshold for row in made.restored)
    assert pytest.approx(told / len(made.known)) == found["words.told"]
    wrong = {row for rows in made.wrong.values() for row in rows}
    for name, rows in (("words.called", wrong), ("words.alarms", set(range(len(made.own))) - wrong)):
        assert pytest.approx(np.mean([made.own[row] > threshold for row in rows])) == found[name]


def test_without_a_word_to_restore_nothing_is_said_of_it() -> None:
    """A model whose vocabulary has none of the right words has no share of restored ones: it is neither 0 nor NaN."""
    made = random_words(np.random.default_rng(2)).model_copy(update={"known": [], "restored": []})

    found = figures(Pool(images=30, tasks={}, words=made))

    assert not {"words.corrected", "words.told"} & found.keys()


def test_words_stand_beside_other_figures() -> None:
    """A pool may have both: none changes the other's."""
    pool, made = random_pool(np.random.default_rng(3)), random_words(np.random.default_rng(3))

    both = figures(pool.model_copy(update={"words": made}))

    assert {**figures(pool), **figures(Pool(images=30, tasks={}, words=made))} == both
